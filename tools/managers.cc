// managers: asks each manager on this host how it is.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tools/command_list.h"
#include "tools/connect.h"
#include "tools/format.h"
#include "tools/json.h"
#include "tools/manager_search.h"
#include "tools/table.h"

namespace shoal::tools {
namespace {

// A manager that is stopped accepts connections and never answers.
constexpr absl::Duration kPatience = absl::Seconds(2);

struct Answer {
  FoundManager found;
  std::optional<ManagerInfo> info;
  std::string problem;  // why there is no info
};

Answer ask(FoundManager found) {
  Answer answer{.found = std::move(found), .info = {}, .problem = {}};
  if (answer.found.socket.empty()) {
    answer.problem = answer.found.problem;
    return answer;
  }
  const auto client = Client::connect_for_administration(
      {.socket = answer.found.socket, .arena = {}, .label = kLabel, .control_timeout = kPatience});
  auto info = client.ok() ? Admin(*client).manager() : absl::StatusOr<ManagerInfo>(client.status());
  if (!info.ok()) {
    answer.problem = std::string(info.status().message());
  } else if (std::ranges::find(answer.found.pids, info->pid) == answer.found.pids.end()) {
    answer.problem = absl::StrCat("the path of its socket now leads to pid ", info->pid);
  } else {
    answer.info = *std::move(info);
  }
  return answer;
}

pid_t pid_of(const Answer& answer) {
  return answer.info ? answer.info->pid : answer.found.pids.front();
}

// Without the one that asked.
std::uint32_t other_sessions(const ManagerInfo& info) {
  return info.sessions > 0 ? info.sessions - 1 : 0;
}

Json answer_json(const Answer& answer) {
  Json json;
  json["pid"] = pid_of(answer);
  json["uid"] = answer.found.uid;
  json["user"] = json_text(user_name(answer.found.uid));
  json["socket"] = answer.found.socket.empty() ? Json(nullptr) : Json(answer.found.socket);
  json["reachable"] = answer.info.has_value();
  if (answer.info) {
    json["release"] = answer.info->release;
    json["since"] = json_time(answer.info->started);
    json["sessions"] = other_sessions(*answer.info);
    json["objects"] = answer.info->objects;
  } else {
    json["reason"] = answer.problem;
  }
  return json;
}

std::vector<std::string> answer_row(const Answer& answer) {
  std::vector<std::string> row = {absl::StrCat(pid_of(answer)), user_text(answer.found.uid),
                                  answer.found.socket.empty() ? "-" : escaped(answer.found.socket)};
  const std::vector<std::string> rest =
      answer.info
          ? std::vector<std::string>{escaped(answer.info->release), age_text(answer.info->started),
                                     absl::StrCat(other_sessions(*answer.info)),
                                     absl::StrCat(answer.info->objects)}
          : std::vector<std::string>{"-", "-", "-", "-"};
  row.insert(row.end(), rest.begin(), rest.end());
  return row;
}

}  // namespace

int list_managers(const Invocation& asked) {
  std::vector<Answer> answers;
  for (FoundManager& found : find_managers()) answers.push_back(ask(std::move(found)));
  if (asked.json()) {
    Json json = json_answer();
    Json& list = json["managers"] = Json::array();
    for (const Answer& answer : answers) list.push_back(answer_json(answer));
    print_json(json);
    return kDone;
  }
  if (answers.empty()) {
    note("no manager is running; start one with: shoald");
    return kDone;
  }
  Table table({">PID", "UID", "SOCKET", "RELEASE", "SINCE", ">SESSIONS", ">OBJECTS"});
  for (const Answer& answer : answers) table.add(answer_row(answer));
  print(table.text());
  for (const Answer& answer : answers) {
    if (!answer.info) {
      print(absl::StrCat("pid ", pid_of(answer), " cannot be asked: ", escaped(answer.problem),
                         "\n"));
    }
  }
  return kDone;
}

}  // namespace shoal::tools
