// get, dump: what is in an object. Attaches for reading only, and changes nothing.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include <shoal/shareable_list.h>
#include <shoal/shared_memory.h>

#include "tools/arena_contents.h"
#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/entries.h"
#include "tools/entry_commands.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/object_state.h"
#include "tools/segment_reader.h"
#include "tools/table.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

constexpr std::size_t kPreviewBytes = 256;
constexpr std::uint64_t kJsonBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes =
    768 * 1024;  // a multiple of 3, for base64, and of 16, for --hex

// One object, opened by the kind that the manager says it has.
struct Opened {
  ObjectInfo info;
  SharedMemory memory;  // one of the two is open
  ShareableList list;
};

absl::StatusOr<Opened> open(const Client& client, ObjectInfo info) {
  Opened opened{.info = std::move(info), .memory = {}, .list = {}};
  const std::string& name = opened.info.name;
  const OpenOptions reading = {.access = Access::kReadOnly};
  if (opened.info.kind == Kind::kSharedMemory) {
    auto memory = client.open<SharedMemory>(name, reading);
    if (!memory.ok()) return memory.status();
    opened.memory = *std::move(memory);
  } else if (opened.info.kind == Kind::kShareableList) {
    auto list = client.open<ShareableList>(name, reading);
    if (!list.ok()) return list.status();
    opened.list = *std::move(list);
  } else {
    return absl::FailedPreconditionError(
        absl::StrCat(escaped(name),
                     " is of a kind that this shoalctl does not know; use the one of its manager"));
  }
  return opened;
}

int get_memory(const Invocation& asked, const Opened& opened) {
  const std::string name = escaped(opened.info.name);
  auto reader = SegmentReader::over(opened.memory);
  if (!reader.ok()) return fail(reader.status());
  if (asked.json() && reader->size() > kJsonBytesMax) {
    return fail(absl::FailedPreconditionError(
        absl::StrCat(name, " has ", reader->size(), " bytes, and get --json shows at most ",
                     kJsonBytesMax, "; use: shoalctl dump ", name)));
  }
  const auto bytes = reader->next(asked.json() ? kJsonBytesMax : kPreviewBytes);
  if (!bytes.ok()) return fail(bytes.status());
  if (asked.json()) {
    Json json = json_answer();
    json["bytes"] = base64(*bytes);
    print_json(json);
    return kDone;
  }
  print(absl::StrCat(name, ": SharedMemory, ", exact_size_text(reader->size()),
                     opened.info.sealed ? ", sealed\n" : "\n", hex_lines(*bytes, 0)));
  if (bytes->size() < reader->size()) {
    print(absl::StrCat("... ", reader->size() - bytes->size(), " more bytes: shoalctl dump ", name,
                       " --hex\n"));
  }
  return kDone;
}

int get_element(const Invocation& asked, const ShareableList& list, std::int64_t index) {
  const auto value = list.get(static_cast<std::ptrdiff_t>(index));
  if (!value.ok()) return fail(value.status());
  if (asked.json()) {
    Json json = json_answer();
    json["value"] = value_json(*value);
    print_json(json);
  } else {
    // Without quotes: one value is for scripts.
    const std::string* text = value->as_string();
    print((text != nullptr ? escaped(*text) : value_text(*value)) + '\n');
  }
  return kDone;
}

int get_list(const Invocation& asked, const ShareableList& list) {
  Json values = Json::array();
  Table table({">INDEX", "TYPE", "VALUE"});
  std::size_t at = 0;
  for (const absl::StatusOr<Value>& value : list) {
    if (!value.ok()) return fail(value.status());
    if (asked.json()) {
      values.push_back(value_json(*value));
    } else {
      table.add({absl::StrCat(at), std::string(kind_name(value->kind())), value_text(*value)});
    }
    ++at;
  }
  if (asked.json()) {
    Json json = json_answer();
    json["values"] = std::move(values);
    print_json(json);
  } else if (table.empty()) {
    note(absl::StrCat(escaped(asked.operands[0]), " has no elements"));
  } else {
    print(table.text());
  }
  return kDone;
}

// Each line is a whole JSON text, so that a reader may stop anywhere.
int dump_list(const Opened& opened) {
  Json first;
  first["kind"] = kind_name(opened.info.kind);
  first["name"] = opened.info.name;
  first["size"] = opened.list.size();
  print_json(first);
  for (const absl::StatusOr<Value>& value : opened.list) {
    if (!value.ok()) return fail(value.status());
    print_json(value_dump(*value));
  }
  return kDone;
}

int dump_memory(const Invocation& asked, const Opened& opened) {
  const bool hex = asked.has("--hex");
  if (!hex && !asked.json() && isatty(STDOUT_FILENO) == 1) {
    return fail(absl::FailedPreconditionError(
        "raw bytes would upset the terminal; add --hex, or send them to a file or a program"));
  }
  auto reader = SegmentReader::over(opened.memory);
  if (!reader.ok()) return fail(reader.status());
  if (asked.json()) {
    Json json = json_answer();
    json["kind"] = kind_name(opened.info.kind);
    json["name"] = opened.info.name;
    json["size"] = json_integer(reader->size());
    std::string head = json_line(json);
    head.resize(head.rfind('}'));  // the bytes follow in pieces
    print(head + ",\"bytes\":\"");
  }
  for (std::uint64_t at = 0; std::ferror(stdout) == 0;) {
    const auto bytes = reader->next(kPieceBytes);
    if (!bytes.ok()) return fail(bytes.status());
    if (bytes->empty()) break;
    if (asked.json()) {
      print(base64(*bytes));
    } else if (hex) {
      print(hex_lines(*bytes, at));
    } else {
      print({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
    }
    at += bytes->size();
  }
  if (asked.json()) print("\"}\n");
  return kDone;
}

}  // namespace

int get(const Invocation& asked) {
  const bool one = asked.operands.size() == 2;
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  auto stat = client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  if (has_entries(stat->object.kind)) return get_entries(asked, *client, stat->object);
  const auto index = parse_integer(one ? asked.operands[1] : "0");
  if (!index || asked.has("--key-json")) {
    return fail_usage(asked, absl::StrCat(escaped(stat->object.name), " is a ",
                                          std::string(kind_name(stat->object.kind)),
                                          ", whose elements have an index, not a key"));
  }
  if (lives_in_arena(stat->object.kind)) {
    return get_in_arena(asked, *client, stat->object, one ? index : std::nullopt);
  }
  const auto opened = open(*client, std::move(stat->object));
  if (!opened.ok()) return fail(opened.status());
  if (opened->info.kind == Kind::kShareableList) {
    return one ? get_element(asked, opened->list, *index) : get_list(asked, opened->list);
  }
  if (one) {
    return fail(absl::FailedPreconditionError(
        absl::StrCat(escaped(opened->info.name),
                     " is a SharedMemory and has no elements; leave out the index")));
  }
  return get_memory(asked, *opened);
}

int dump(const Invocation& asked) {
  if (asked.json() && asked.has("--hex")) {
    return fail_usage(asked, "--json and --hex exclude each other");
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  auto stat = client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  if (has_entries(stat->object.kind)) return dump_entries(asked, *client, stat->object);
  if (lives_in_arena(stat->object.kind)) return dump_in_arena(asked, *client, stat->object);
  const auto opened = open(*client, std::move(stat->object));
  if (!opened.ok()) return fail(opened.status());
  if (opened->info.kind == Kind::kSharedMemory) return dump_memory(asked, *opened);
  if (asked.has("--hex")) {
    return fail(absl::FailedPreconditionError(
        absl::StrCat(escaped(opened->info.name),
                     " is a ShareableList and is written as text; leave out --hex")));
  }
  return dump_list(*opened);
}

}  // namespace shoal::tools
