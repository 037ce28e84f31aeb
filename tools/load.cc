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
#include "tools/loading.h"

namespace shoal::tools {
namespace {

// What --kind takes.
struct KindWord {
  std::string_view word;
  Kind kind;
};
constexpr std::array<KindWord, 4> kKindWords = {{{"dict", Kind::kDict},
                                                 {"namespace", Kind::kNamespace},
                                                 {"list", Kind::kList},
                                                 {"shareable-list", Kind::kShareableList}}};

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
      if (std::cin.eof()) return wrong("it has no end: the dump was cut short");
      absl::StatusOr<Json> json = parse_json(line);
      if (!json.ok()) return wrong(json.status());
      return *std::move(json);
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

// Lines are entries, or values.
absl::Status check_conversion(Kind from, Kind to) {
  if (from == Kind::kUnknown || has_entries(from) == has_entries(to)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "its first line says that it is a ", std::string(kind_name(from)), ", whose lines are ",
      has_entries(from) ? "entries" : "values", ", and a ", std::string(kind_name(to)),
      " is made of ", has_entries(to) ? "entries" : "values", "; give another --kind"));
}

// An error of anything but the object's name, which it is told with.
int fail_for(const std::string& name, const absl::Status& status) {
  return fail(absl::Status(status.code(), absl::StrCat(escaped(name), " was not loaded: ",
                                                       std::string(status.message()))));
}

// Adds a line, and each that follows. How many.
absl::StatusOr<std::size_t> load_lines(Loading& loading, std::optional<Json> line, Lines& lines) {
  std::size_t count = 0;
  while (line) {
    const absl::Status added = loading.add(*line);
    if (!added.ok()) return lines.wrong(added);
    ++count;
    auto next = lines.next();
    if (!next.ok()) return next.status();
    line = *std::move(next);
  }
  return count;
}

// All of it, or an error. How many entries or values.
absl::StatusOr<std::size_t> load_all(Loading& loading, const Json& first, std::optional<Json> line,
                                     Lines& lines) {
  const auto count = load_lines(loading, std::move(line), lines);
  if (!count.ok()) return count.status();
  const auto size = count_in(first, "size");
  if (!size && first.is_object() && first.contains("size")) {
    return absl::InvalidArgumentError("the first line's \"size\" is not a number of entries");
  }
  if (size && *size != *count) {
    return absl::InvalidArgumentError(
        absl::StrCat("the first line says \"size\":", *size, ", and ", *count,
                     " follow: the dump was cut short, or changed; if it is to be loaded as it is, "
                     "say so there"));
  }
  absl::Status finished = loading.finish();
  if (!finished.ok()) return finished;
  return *count;
}

// Half an object is none. Why, and whether it could be taken away.
absl::Status given_up(Loading& loading, const absl::Status& why) {
  const absl::Status gone = loading.give_up();
  if (gone.ok() || absl::IsNotFound(gone)) return why;
  return absl::Status(why.code(),
                      absl::StrCat(std::string(why.message()),
                                   "; what was loaded before stays, take it away by shoalctl rm: ",
                                   std::string(gone.message())));
}

}  // namespace

int load_object(const Invocation& asked) {
  const std::string& name = asked.operands[0];
  const auto kind = kind_of(asked.value("--kind"));
  if (asked.has("--kind") && !kind) {
    return fail_usage(asked, absl::StrCat("--kind ", escaped(asked.value("--kind")),
                                          ": it is dict, namespace, list or shareable-list"));
  }
  const auto client = connect(asked);
  if (!client.ok()) return fail(client.status());
  Lines lines;
  auto line = lines.next();
  if (!line.ok()) return fail_for(name, line.status());
  Json first = Json::object();
  if (*line && is_first_line(**line)) {
    first = **line;
    if (kind) {
      const absl::Status fits = check_conversion(kind_in(first), *kind);
      if (!fits.ok()) return fail_for(name, fits);
    }
    line = lines.next();
    if (!line.ok()) return fail_for(name, line.status());
  } else if (!kind) {
    return fail_for(
        name, absl::InvalidArgumentError("the first line says no {\"kind\":...}, as that of a "
                                         "dump does; give --kind"));
  }
  if (kind) first["kind"] = kind_name(*kind);
  const auto loading = Loading::begin(*client, name, first);
  if (!loading.ok()) return fail_for(name, loading.status());
  const auto count = load_all(**loading, first, *std::move(line), lines);
  if (!count.ok()) return fail_for(name, given_up(**loading, count.status()));
  if (asked.json()) {
    Json json = json_answer();
    json["name"] = name;
    json["kind"] = first["kind"];
    json[has_entries(kind_in(first)) ? "entries" : "elements"] = *count;
    print_json(json);
  }
  return kDone;
}

}  // namespace shoal::tools
