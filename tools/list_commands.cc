// See list_commands.h.
#include "tools/list_commands.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include <shoal/list.h>
#include <shoal/shareable_list.h>
#include <shoal/value.h>

#include "tools/format.h"
#include "tools/held_objects.h"
#include "tools/table.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

constexpr OpenOptions kReading = {.access = Access::kReadOnly};

// "2:-1", "::2", as Python has them.
std::optional<Slice> parse_slice(std::string_view text) {
  std::array<std::optional<std::ptrdiff_t>, 3> parts;
  std::size_t count = 0;
  for (bool over = false; !over; ++count) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string word(text.substr(0, end));
    if (count == parts.size()) return std::nullopt;
    if (!word.empty()) {
      const auto number = parse_integer(word);
      if (!number) return std::nullopt;
      parts[count] = static_cast<std::ptrdiff_t>(*number);
    }
    over = end == text.size();
    text.remove_prefix(over ? end : end + 1);
  }
  if (count < 2) return std::nullopt;
  return Slice{.start = parts[0], .stop = parts[1], .step = parts[2].value_or(1)};
}

absl::StatusOr<std::vector<Value>> all_of(const ShareableList& list) {
  std::vector<Value> values;
  values.reserve(list.size());
  for (absl::StatusOr<Value> value : list) {
    if (!value.ok()) return value.status();
    values.push_back(*std::move(value));
  }
  return values;
}

absl::StatusOr<Value> element_of(const Client& client, const ObjectInfo& object,
                                 std::ptrdiff_t index) {
  if (object.kind == Kind::kList) {
    const auto list = client.open<List>(object.name, kReading);
    return list.ok() ? list->get(index) : list.status();
  }
  const auto list = client.open<ShareableList>(object.name, kReading);
  return list.ok() ? list->get(index) : list.status();
}

absl::StatusOr<std::vector<Value>> elements_of(const Client& client, const ObjectInfo& object,
                                               const Slice& slice) {
  if (object.kind == Kind::kList) {
    const auto list = client.open<List>(object.name, kReading);
    if (!list.ok()) return list.status();
    return list->slice(slice);
  }
  const auto list = client.open<ShareableList>(object.name, kReading);
  if (!list.ok()) return list.status();
  return all_of(*list);
}

int answer_one(const Invocation& asked, const Value& value) {
  if (asked.json()) {
    Json json = json_answer();
    json["value"] = value_json(value);
    print_json(json);
  } else {
    print(bare_value_text(value) + '\n');
  }
  return kDone;
}

int answer_json(const std::vector<Value>& values) {
  Json json = json_answer();
  Json& all = json["values"] = Json::array();
  for (const Value& value : values) all.push_back(value_json(value));
  print_json(json);
  return kDone;
}

// How many elements a list has while it is looked at is not known, so those of a slice have no
// index.
int answer_many(const Invocation& asked, const std::vector<Value>& values, bool is_all) {
  if (asked.json()) return answer_json(values);
  if (values.empty()) {
    note(absl::StrCat(escaped(asked.operands[0]), " has no elements", is_all ? "" : " there"));
    return kDone;
  }
  Table table(is_all ? std::vector<std::string>{">INDEX", "TYPE", "VALUE"}
                     : std::vector<std::string>{"TYPE", "VALUE"});
  for (std::size_t at = 0; at < values.size(); ++at) {
    std::vector<std::string> row = {std::string(kind_name(values[at].kind())),
                                    value_text(values[at])};
    if (is_all) row.insert(row.begin(), absl::StrCat(at));
    table.add(std::move(row));
  }
  print(table.text());
  return kDone;
}

// A ShareableList does not say which one it is.
absl::Status named(const ObjectInfo& object, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(escaped(object.name), ": ", std::string(status.message())));
}

int fail_index(const Invocation& asked, const ObjectInfo& object) {
  const bool slices = object.kind == Kind::kList && asked.operands.size() == 2;
  return fail_usage(
      asked, absl::StrCat(escaped(object.name), " is a ", std::string(kind_name(object.kind)),
                          ", whose elements have an index, not a key: 0, or -1 for the last",
                          slices ? "; or a slice: 2:-1" : ""));
}

}  // namespace

bool has_elements(Kind kind) { return kind == Kind::kList || kind == Kind::kShareableList; }

int get_elements(const Invocation& asked, const Client& client, const ObjectInfo& object) {
  const bool is_all = asked.operands.size() == 1;
  std::optional<Slice> slice = Slice{};
  if (!is_all) {
    const auto index = parse_integer(asked.operands[1]);
    slice = object.kind == Kind::kList ? parse_slice(asked.operands[1]) : std::nullopt;
    if (asked.has("--key-json") || (!index && !slice)) return fail_index(asked, object);
    if (index) {
      const auto value = element_of(client, object, static_cast<std::ptrdiff_t>(*index));
      return value.ok() ? answer_one(asked, *value) : fail(value.status());
    }
  }
  const auto values = elements_of(client, object, *slice);
  return values.ok() ? answer_many(asked, *values, is_all) : fail(values.status());
}

// Each line is a whole JSON text, so that a reader may stop anywhere.
int dump_elements(const Client& client, const ObjectInfo& object) {
  const auto values = elements_of(client, object, {});
  if (!values.ok()) return fail(values.status());
  Json first;
  first["kind"] = kind_name(object.kind);
  first["name"] = object.name;
  first["size"] = values->size();
  print_json(first);
  for (const Value& value : *values) print_json(value_dump(value));
  return kDone;
}

int set_element(const Invocation& asked, const Client& client, const ObjectInfo& object,
                const Json& json) {
  const auto index = parse_integer(asked.operands[1]);
  if (asked.has("--key-json") || !index) return fail_index(asked, object);
  const auto value = value_from_json(json);
  if (!value.ok()) return fail(value.status());
  const auto at = static_cast<std::ptrdiff_t>(*index);
  absl::Status status;
  if (object.kind == Kind::kList) {
    HeldObjects held(client);
    const auto list = client.open<List>(object.name);
    status = list.status();
    if (status.ok()) status = held.hold(*value);
    if (status.ok()) status = list->set(at, *value);
  } else {
    const auto list = client.open<ShareableList>(object.name);
    status = list.ok() ? named(object, list->set(at, *value)) : list.status();
  }
  if (!status.ok()) return fail(status);
  if (asked.json()) print_json(json_answer());
  return kDone;
}

}  // namespace shoal::tools
