// See goals.h.
#include "bench/goals.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

namespace bench {
namespace {

std::string group_of(const std::string& name) { return name.substr(0, name.find('/')); }

// Whether it is measured by a kind that has no rows yet, as wake/futex/queue is by queues.
bool is_to_come(const std::string& name, const Goals& goals, const std::set<std::string>& begun) {
  const std::string last = name.substr(name.rfind('/') + 1);
  if (begun.contains(last)) return false;
  return std::any_of(goals.begin(), goals.end(),
                     [&](const auto& goal) { return group_of(goal.first) == last; });
}

absl::Status bad_line(const std::string& path, int number, const char* why) {
  return absl::InvalidArgumentError(path + ":" + std::to_string(number) + ": " + why);
}

}  // namespace

absl::StatusOr<Goals> read_goals(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("there is no " + path + "; name another with --goals");
  Goals goals;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::size_t first = line.find('\t');
    const std::size_t second = first == line.npos ? line.npos : line.find('\t', first + 1);
    if (second == line.npos || second + 1 == line.size()) {
      return bad_line(path, number, "needs a name, a goal and a reference, separated by tabs");
    }
    const std::string name = line.substr(0, first);
    const std::string goal = line.substr(first + 1, second - first - 1);
    char* end = nullptr;
    const double ratio = std::strtod(goal.c_str(), &end);
    if (goal != "-" && (goal.empty() || *end != '\0' || !(ratio > 0))) {
      return bad_line(path, number, "the goal must be a positive number, or - for none");
    }
    std::optional<double> wanted;
    if (goal != "-") wanted = ratio;
    if (!goals.emplace(name, wanted).second)
      return bad_line(path, number, "a name for the second time");
  }
  return goals;
}

std::vector<std::string> differences(const Goals& goals, const std::vector<std::string>& rows) {
  std::vector<std::string> found;
  std::set<std::string> groups;
  for (const std::string& row : rows) {
    groups.insert(group_of(row));
    if (!goals.contains(row)) found.push_back(row + " is measured but not in the list of goals");
  }
  for (const auto& [name, goal] : goals) {
    const bool have = std::find(rows.begin(), rows.end(), name) != rows.end();
    if (groups.contains(group_of(name)) && !have && !is_to_come(name, goals, groups)) {
      found.push_back(name + " is in the list of goals but not measured");
    }
  }
  return found;
}

}  // namespace bench
