// Takes a command line apart by the table of commands. Global flags may stand anywhere; flags of a
// command after it. Knows no command by name.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tools/command.h"
#include "tools/format.h"

namespace shoal::tools {
namespace {

absl::Status bad(const std::string& message) { return absl::InvalidArgumentError(message); }

// A negative number is an operand, not a flag.
bool is_flag(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && !(word[1] >= '0' && word[1] <= '9');
}

const Flag* find_flag(const Command* command, std::string_view name) {
  for (const Flag& flag : global_flags()) {
    if (flag.name == name) return &flag;
  }
  if (command == nullptr) return nullptr;
  const auto found = std::ranges::find(command->flags, name, &Flag::name);
  return found == command->flags.end() ? nullptr : &*found;
}

// Takes a word of the command's name.
absl::Status take_name(const std::string& word, Invocation& asked) {
  const std::string name = asked.group.empty() ? word : absl::StrCat(asked.group, " ", word);
  const std::string as_group = absl::StrCat(name, " ");
  for (const Command& command : commands()) {
    if (command.name == name) {
      asked.command = &command;
      return absl::OkStatus();
    }
    if (command.name.starts_with(as_group)) {
      asked.group = name;
      return absl::OkStatus();
    }
  }
  return bad(absl::StrCat("there is no command \"", escaped(name), "\""));
}

// Takes the flag at `at`, and moves `at` on if its value is a word of its own.
absl::Status take_flag(std::span<const std::string> words, std::size_t& at, Invocation& asked) {
  const std::string word = words[at] == "-h" ? "--help" : words[at];
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const Flag* flag = find_flag(asked.command, name);
  if (flag == nullptr) {
    return bad(absl::StrCat("unknown flag ", escaped(name),
                            asked.command == nullptr ? " before the command" : ""));
  }
  std::string value;
  if (flag->value.empty()) {
    if (equals != std::string::npos) return bad(absl::StrCat(name, " takes no value"));
  } else if (equals != std::string::npos) {
    value = word.substr(equals + 1);
  } else if (at + 1 < words.size()) {
    value = words[++at];
  } else {
    return bad(absl::StrCat(name, " needs a value"));
  }
  if (!flag->value.empty() && value.empty()) return bad(absl::StrCat(name, " needs a value"));
  asked.flags[name] = std::move(value);
  return absl::OkStatus();
}

}  // namespace

std::string Invocation::value(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::string() : found->second;
}

absl::Status parse(std::span<const std::string> arguments, Invocation& asked) {
  bool only_operands = false;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& word = arguments[at];
    absl::Status taken;
    if (!only_operands && word == "--") {
      only_operands = true;
    } else if (!only_operands && is_flag(word)) {
      taken = take_flag(arguments, at, asked);
    } else if (asked.command == nullptr) {
      taken = take_name(word, asked);
    } else {
      asked.operands.push_back(word);
    }
    if (!taken.ok()) return taken;
  }
  return absl::OkStatus();
}

}  // namespace shoal::tools
