// get, dump: what is in an object. Attaches for reading only, and changes nothing.
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"

#include <shoal/shared_memory.h>

#include "tools/arena_contents.h"
#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/entries.h"
#include "tools/entry_commands.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/list_commands.h"
#include "tools/object_state.h"
#include "tools/segment_reader.h"

namespace shoal::tools {
namespace {

constexpr std::size_t kPreviewBytes = 256;
constexpr std::uint64_t kJsonBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes =
    768 * 1024;  // a multiple of 3, for base64, and of 16, for --hex

absl::StatusOr<SharedMemory> open(const Client& client, const ObjectInfo& object) {
  if (object.kind == Kind::kSharedMemory) {
    return client.open<SharedMemory>(object.name, {.access = Access::kReadOnly});
  }
  return absl::FailedPreconditionError(
      absl::StrCat(escaped(object.name),
                   " is of a kind that this shoalctl does not know; use the one of its manager"));
}

int get_memory(const Invocation& asked, const ObjectInfo& object, const SharedMemory& memory) {
  const std::string name = escaped(object.name);
  auto reader = SegmentReader::over(memory);
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
                     object.sealed ? ", sealed\n" : "\n", hex_lines(*bytes, 0)));
  if (bytes->size() < reader->size()) {
    print(absl::StrCat("... ", reader->size() - bytes->size(), " more bytes: shoalctl dump ", name,
                       " --hex\n"));
  }
  return kDone;
}

int dump_memory(const Invocation& asked, const ObjectInfo& object, const SharedMemory& memory) {
  const bool hex = asked.has("--hex");
  if (!hex && !asked.json() && isatty(STDOUT_FILENO) == 1) {
    return fail(absl::FailedPreconditionError(
        "raw bytes would upset the terminal; add --hex, or send them to a file or a program"));
  }
  auto reader = SegmentReader::over(memory);
  if (!reader.ok()) return fail(reader.status());
  if (asked.json()) {
    Json json = json_answer();
    json["kind"] = kind_name(object.kind);
    json["name"] = object.name;
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

bool is_dumped_as_text(Kind kind) {
  return has_entries(kind) || has_elements(kind) || kind == Kind::kCell || kind == Kind::kArray;
}

}  // namespace

int get(const Invocation& asked) {
  const bool one = asked.operands.size() == 2;
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  const auto stat = client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  if (has_entries(stat->object.kind)) return get_entries(asked, *client, stat->object);
  if (has_elements(stat->object.kind)) return get_elements(asked, *client, stat->object);
  const auto index = parse_integer(one ? asked.operands[1] : "0");
  if (!index || asked.has("--key-json")) {
    return fail_usage(asked, absl::StrCat(escaped(stat->object.name), " is a ",
                                          std::string(kind_name(stat->object.kind)),
                                          ", whose elements have an index, not a key"));
  }
  if (lives_in_arena(stat->object.kind)) {
    return get_in_arena(asked, *client, stat->object, one ? index : std::nullopt);
  }
  const auto memory = open(*client, stat->object);
  if (!memory.ok()) return fail(memory.status());
  if (one) {
    return fail(absl::FailedPreconditionError(
        absl::StrCat(escaped(stat->object.name),
                     " is a SharedMemory and has no elements; leave out the index")));
  }
  return get_memory(asked, stat->object, *memory);
}

int dump(const Invocation& asked) {
  if (asked.json() && asked.has("--hex")) {
    return fail_usage(asked, "--json and --hex exclude each other");
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  const auto stat = client->stat(asked.operands[0]);
  if (!stat.ok()) return fail(stat.status());
  if (asked.has("--hex") && is_dumped_as_text(stat->object.kind)) {
    return fail(absl::FailedPreconditionError(absl::StrCat(
        escaped(stat->object.name), " is a ", std::string(kind_name(stat->object.kind)),
        " and is written as text; leave out --hex")));
  }
  if (has_entries(stat->object.kind)) return dump_entries(*client, stat->object);
  if (has_elements(stat->object.kind)) return dump_elements(*client, stat->object);
  if (lives_in_arena(stat->object.kind)) return dump_in_arena(*client, stat->object);
  const auto memory = open(*client, stat->object);
  return memory.ok() ? dump_memory(asked, stat->object, *memory) : fail(memory.status());
}

}  // namespace shoal::tools
