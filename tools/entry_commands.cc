// set, and get and dump of what has keys. What has elements: list_commands.h.
#include "tools/entry_commands.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/entries.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/list_commands.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

KeyWord key_word(const Invocation& asked) {
  return {.word = asked.operands[1], .is_json = asked.has("--key-json")};
}

int get_one(const Invocation& asked, const Entries& entries) {
  const auto value = entries.get(key_word(asked), asked.json() ? Form::kJson : Form::kText);
  if (!value.ok()) return fail(value.status());
  if (asked.json()) {
    Json json = json_answer();
    json["value"] = *value;
    print_json(json);
  } else {
    print(value->get<std::string>() + '\n');
  }
  return kDone;
}

// Json arrays and objects print in one line; so does a table of many rows, only aligned.
int get_all(const Invocation& asked, const Entries& entries) {
  Json list = Json::array();
  Table table({"KEY", "VALUE"});
  const absl::Status status = entries.show(
      asked.json() ? Form::kJson : Form::kText, [](std::size_t) {},
      [&](Json key, Json value) {
        if (asked.json()) {
          Json entry;
          entry["key"] = std::move(key);
          entry["value"] = std::move(value);
          list.push_back(std::move(entry));
        } else {
          table.add({key.get<std::string>(), value.get<std::string>()});
        }
      });
  if (!status.ok()) return fail(status);
  if (asked.json()) {
    Json json = json_answer();
    json["entries"] = std::move(list);
    print_json(json);
  } else if (table.empty()) {
    note(absl::StrCat(escaped(asked.operands[0]), " has no entries"));
  } else {
    print(table.text());
  }
  return kDone;
}

}  // namespace

int get_entries(const Invocation& asked, const Client& client, const ObjectInfo& object) {
  const auto entries = Entries::open(client, object, Access::kReadOnly);
  if (!entries.ok()) return fail(entries.status());
  return asked.operands.size() == 2 ? get_one(asked, **entries) : get_all(asked, **entries);
}

int dump_entries(const Client& client, const ObjectInfo& object) {
  const auto entries = Entries::open(client, object, Access::kReadOnly);
  if (!entries.ok()) return fail(entries.status());
  const absl::Status status = (*entries)->show(
      Form::kDump,
      [&](std::size_t size) {
        Json first;
        first["kind"] = kind_name(object.kind);
        first["name"] = object.name;
        if (object.kind == Kind::kTypedDict) {
          first["type"] = object.fingerprint;
          first["key_size"] = object.parameter;
          first["value_size"] = object.element_bytes;
        }
        first["size"] = size;
        print_json(first);
      },
      [](Json key, Json value) {
        print_json(Json::array({std::move(key), std::move(value)}));
      });
  return status.ok() ? kDone : fail(status);
}

int set_entry(const Invocation& asked) {
  const std::string& word = asked.operands[2];
  const absl::StatusOr<Json> value =
      asked.has("--text") ? absl::StatusOr<Json>(word) : parse_json(word);
  if (!value.ok()) {
    return fail_usage(
        asked, absl::StrCat("VALUE is ", escaped(word), ": ", std::string(value.status().message()),
                            "; --text takes it as text"));
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  const auto stat = client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  if (has_elements(stat->object.kind)) return set_element(asked, *client, stat->object, *value);
  const auto entries = Entries::open(*client, stat->object, Access::kReadWrite);
  if (!entries.ok()) return fail(entries.status());
  const absl::Status status = (*entries)->set(key_word(asked), *value);
  if (!status.ok()) return fail(status);
  if (asked.json()) print_json(json_answer());
  return kDone;
}

}  // namespace shoal::tools
