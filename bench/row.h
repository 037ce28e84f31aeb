// The rows: what is measured, and against what. Each rows_*.cc gives those of one group, or a few.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reference/side.h"

namespace bench {

// One thing that happens again and again, where what matters is how long it may take at worst.
class Incident {
 public:
  Incident() = default;
  Incident(const Incident&) = delete;
  Incident& operator=(const Incident&) = delete;
  virtual ~Incident() = default;

  // Nanoseconds that it took this time.
  virtual double once() = 0;
};

struct Row {
  std::string name;              // as in goals.tsv
  std::string reference_name;    // what the reference is, in a few words
  std::uint64_t operations = 1;  // of one round; figures are nanoseconds for one operation
  bool two_processes = false;    // then the placement of the cores is watched
  // Both sides have a reference::Peer: it has the second core, and the measuring process gets the
  // first, so that neither has to be moved to find out how far apart they are.
  bool pinned = false;
  std::function<std::unique_ptr<reference::Side>()> reference = {};
  std::function<std::unique_ptr<reference::Side>()> shoal = {};
  // Instead of the two sides, where there is nothing to compare with.
  std::function<std::unique_ptr<Incident>()> incident = {};
};

std::vector<Row> control_rows();
std::vector<Row> bulk_rows();
std::vector<Row> shareable_list_rows();
std::vector<Row> lock_rows();
std::vector<Row> contended_rows();
std::vector<Row> cell_rows();
std::vector<Row> wake_rows();
std::vector<Row> recovery_rows();

inline std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (auto group : {control_rows, bulk_rows, shareable_list_rows, lock_rows, contended_rows,
                     cell_rows, wake_rows, recovery_rows}) {
    for (Row& row : group()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace bench
