// The rows: what is measured, and against what. Each rows_*.cc gives those of one group, or a few.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reference/growth.h"
#include "reference/side.h"

namespace bench {

inline constexpr int kRepsMin = 5;
inline constexpr int kRepsMax = 1000;

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
  // Instead of the two sides, where every repetition is one long story: how long each of its
  // operations took.
  std::function<reference::Tail()> tail = {};
  // Instead of the two sides: a figure that a repetition has by itself, in `unit`.
  std::function<double()> reference_figure = {};
  std::function<double()> shoal_figure = {};
  std::string unit = "ns";
  // Why it cannot be measured on this machine, if so: it is passed over, and says why.
  std::string missing = {};
  int reps_max = kRepsMax;  // where a repetition takes long

  // Whether it says anything to put the reference on both sides.
  [[nodiscard]] bool has_sides() const { return reference != nullptr; }
};

// Of the other contestant, for Row::missing.
inline std::string if_missing(bool there, const std::string& name) {
  return there ? "" : "peer " + name + " is not installed: ./dev setup --bench";
}

std::vector<Row> control_rows();
std::vector<Row> bulk_rows();
std::vector<Row> shareable_list_rows();
std::vector<Row> lock_rows();
std::vector<Row> contended_rows();
std::vector<Row> cell_rows();
std::vector<Row> wake_rows();
std::vector<Row> recovery_rows();
std::vector<Row> dict_rows();
std::vector<Row> dict_peer_rows();
std::vector<Row> dict_pair_rows();
std::vector<Row> dict_growth_rows();
std::vector<Row> list_rows();

inline std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (auto group : {control_rows, bulk_rows, shareable_list_rows, lock_rows, contended_rows,
                     cell_rows, wake_rows, recovery_rows, dict_rows, dict_peer_rows, dict_pair_rows,
                     dict_growth_rows, list_rows}) {
    for (Row& row : group()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace bench
