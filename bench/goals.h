// goals.tsv: the list of rows, each with the ratio it must not exceed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace bench {

// By name; no ratio where a row is reported without a goal.
using Goals = std::map<std::string, std::optional<double>>;

// NOT_FOUND: no such file. INVALID_ARGUMENT names the line that is not name, goal, reference,
// separated by tabs.
absl::StatusOr<Goals> read_goals(const std::string& path);

// What is wrong between the list and the rows that the program has: rows without a line, and lines
// without a row in a group that has rows. A group is what stands before the first slash.
std::vector<std::string> differences(const Goals& goals, const std::vector<std::string>& rows);

}  // namespace bench
