// Measures one row: the two sides take turns, every result is held against the other side's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/row.h"

namespace bench {

struct MeasureOptions {
  int reps = 9;
  bool self_check = false;  // the reference stands on both sides
};

struct Result {
  std::string name;
  std::string reference_name;
  // Of one operation, a figure for each repetition; of an incident, for each time.
  std::vector<double> shoal;
  std::vector<double> reference;       // none if it has a tail
  std::optional<double> placement_ns;  // two-process rows: the hand-over of a cache line, median
  bool same_results = false;
  std::string unit = "ns";
  // Rows without a reference: how long it takes at worst.
  std::optional<reference::Tail> tail = {};

  [[nodiscard]] double shoal_median() const;
  [[nodiscard]] double reference_median() const;
  [[nodiscard]] double ratio() const;
  // Of the ratios of the single repetitions: the distance between the quartiles over the median.
  [[nodiscard]] double spread() const;
};

Result measure(const Row& row, const MeasureOptions& options);

}  // namespace bench
