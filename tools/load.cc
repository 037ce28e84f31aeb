// load-object: makes an object of what dump wrote. The lines come from stdin.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/entries.h"
#include "tools/format.h"
#include "tools/json.h"

namespace shoal::tools {
namespace {

// What --kind takes.
struct KindWord {
  std::string_view word;
  Kind kind;
};
constexpr std::array<KindWord, 2> kKindWords = {
    {{"dict", Kind::kDict}, {"namespace", Kind::kNamespace}}};

std::optional<Kind> kind_of(const std::string& word) {
  const auto found = std::ranges::find(kKindWords, word, &KindWord::word);
  if (found == kKindWords.end()) return std::nullopt;
  return found->kind;
}

// The lines of a dump. Empty ones are passed over.
class Lines {
 public:
  // Nothing: there is no other line.
  absl::StatusOr<std::optional<Json>> next() {
    std::string line;
    while (std::getline(std::cin, line)) {
      ++number_;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (json.is_discarded()) return wrong("not JSON");
      return json;
    }
    return std::nullopt;
  }
  [[nodiscard]] absl::Status wrong(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", number_, ": ", std::string(what)));
  }
  [[nodiscard]] absl::Status wrong(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat("line ", number_, ": ", std::string(status.message())));
  }

 private:
  std::uint64_t number_ = 0;
};

bool is_first_line(const Json& json) {
  return json.is_object() && json.contains("kind") && json["kind"].is_string();
}

// Puts an entry, which is a pair, and each that follows. How many.
absl::StatusOr<std::size_t> load_entries(const Entries& entries, std::optional<Json> line,
                                         Lines& lines) {
  std::size_t count = 0;
  while (line) {
    if (!line->is_array() || line->size() != 2) return lines.wrong("an entry is [key,value]");
    const absl::Status put = entries.put((*line)[0], (*line)[1]);
    if (!put.ok()) return lines.wrong(put);
    ++count;
    auto next = lines.next();
    if (!next.ok()) return next.status();
    line = *std::move(next);
  }
  return count;
}

}  // namespace

int load_object(const Invocation& asked) {
  const std::string& name = asked.operands[0];
  const auto kind = kind_of(asked.value("--kind"));
  if (asked.has("--kind") && !kind) {
    return fail_usage(asked, absl::StrCat("--kind ", escaped(asked.value("--kind")),
                                          ": it is dict or namespace"));
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  Lines lines;
  auto line = lines.next();
  if (!line.ok()) return fail(line.status());
  Json first = Json::object();
  if (*line && is_first_line(**line)) {
    first = **line;
    line = lines.next();
    if (!line.ok()) return fail(line.status());
  } else if (!kind) {
    return fail(absl::InvalidArgumentError(
        "the first line says no {\"kind\":...}, as that of a dump does; give --kind"));
  }
  if (kind) first["kind"] = kind_name(*kind);
  const auto entries = Entries::create(*client, name, first);
  if (!entries.ok()) return fail(entries.status());
  const auto count = load_entries(**entries, *std::move(line), lines);
  if (!count.ok()) {
    // Half an object is none.
    (void)client->unlink(name);
    return fail(count.status());
  }
  if (asked.json()) {
    Json json = json_answer();
    json["name"] = name;
    json["kind"] = first["kind"];
    json["entries"] = *count;
    print_json(json);
  }
  return kDone;
}

}  // namespace shoal::tools
