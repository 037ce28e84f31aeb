// The rows: what is measured, and against what. Each rows_*.cc gives those of one group.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reference/side.h"

namespace bench {

struct Row {
  std::string name;              // as in goals.tsv
  std::string reference_name;    // what the reference is, in a few words
  std::uint64_t operations = 1;  // of one round; figures are nanoseconds for one operation
  bool two_processes = false;    // then the placement of the cores is watched
  std::function<std::unique_ptr<reference::Side>()> reference;
  std::function<std::unique_ptr<reference::Side>()> shoal;
};

std::vector<Row> control_rows();
std::vector<Row> bulk_rows();
std::vector<Row> shareable_list_rows();

inline std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (auto group : {control_rows, bulk_rows, shareable_list_rows}) {
    for (Row& row : group()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace bench
