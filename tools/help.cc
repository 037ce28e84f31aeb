// Help, made from the table of commands, and the choice between helping and running.
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "tools/command.h"
#include "tools/command_list.h"
#include "tools/format.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

std::string flag_lines(std::span<const Flag> flags) {
  Table table({"", "", ""});
  for (const Flag& flag : flags) {
    std::string usage(flag.name);
    if (!flag.value.empty()) usage += ' ' + std::string(flag.value);
    table.add({"", usage, std::string(flag.help)});
  }
  return table.text().substr(1);  // without the line of headings
}

std::string overview(std::string_view group) {
  Table table({"", "", ""});
  for (const Command& command : commands()) {
    if (!group.empty() && !command.name.starts_with(std::string(group) + ' ')) continue;
    std::string usage(command.name);
    if (!command.synopsis.empty()) usage += ' ' + std::string(command.synopsis);
    table.add({"", usage, std::string(command.summary)});
  }
  return absl::StrCat("usage: shoalctl [FLAGS] COMMAND [ARGUMENTS]\n\ncommands:\n",
                      table.text().substr(1), "\nflags, before or after the command:\n",
                      flag_lines(global_flags()),
                      "\nexit status: 0 done, 1 refused or not found, 2 bad usage, 3 no manager, "
                      "4 damaged\n\"shoalctl help COMMAND\" says more.\n");
}

std::string page(const Command& command) {
  std::string out = absl::StrCat("usage: shoalctl [FLAGS] ", std::string(command.name),
                                 command.synopsis.empty() ? "" : " ", std::string(command.synopsis),
                                 "\n\n", std::string(command.summary), "\n");
  if (!command.details.empty()) absl::StrAppend(&out, "\n", std::string(command.details), "\n");
  if (!command.flags.empty()) {
    absl::StrAppend(&out, "\nflags of this command:\n", flag_lines(command.flags));
  }
  absl::StrAppend(&out, "\nflags, before or after the command:\n", flag_lines(global_flags()));
  return out;
}

}  // namespace

int help(const Invocation& asked) {
  std::string topic;
  for (const std::string& word : asked.operands) topic += (topic.empty() ? "" : " ") + word;
  if (topic.empty()) {
    print(overview({}));
    return kDone;
  }
  const auto found = std::ranges::find(commands(), topic, &Command::name);
  if (found != commands().end()) {
    print(page(*found));
    return kDone;
  }
  const auto in_group = [&](const Command& c) { return c.name.starts_with(topic + ' '); };
  if (std::ranges::any_of(commands(), in_group)) {
    print(overview(topic));
    return kDone;
  }
  return fail_usage({}, absl::StrCat("there is no command \"", escaped(topic), "\""));
}

int run_parsed(const Invocation& asked) {
  if (asked.has("--help")) {
    if (asked.command != nullptr) {
      print(page(*asked.command));
    } else {
      print(overview(asked.group));
    }
    return kDone;
  }
  if (asked.command == nullptr) {
    if (!asked.group.empty()) {
      return fail_usage(asked, absl::StrCat(asked.group, " needs one of its commands"));
    }
    return fail_usage(asked, "which command?");
  }
  const Command& command = *asked.command;
  const std::string name(command.name);
  const std::string wanted = absl::StrCat(name, " ", std::string(command.synopsis));
  if (asked.operands.size() < command.operands_min) {
    return fail_usage(asked, absl::StrCat("an argument is missing: shoalctl ", wanted));
  }
  if (asked.operands.size() > command.operands_max) {
    return fail_usage(asked, absl::StrCat("too many arguments, from \"",
                                          escaped(asked.operands[command.operands_max]), "\" on"));
  }
  return command.run(asked);
}

}  // namespace shoal::tools
