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
  std::vector<double> shoal_ns;  // of one operation, a figure for each repetition
  std::vector<double> reference_ns;
  std::optional<double> placement_ns;  // two-process rows: the hand-over of a cache line, median
  bool same_results = false;
  bool incident = false;  // then shoal_ns has one figure for each time, and there is no reference

  [[nodiscard]] double shoal_median() const;
  [[nodiscard]] double reference_median() const;
  [[nodiscard]] double ratio() const;
  // The figure that this part of shoal's, 0 to 1, do not exceed.
  [[nodiscard]] double shoal_quantile(double part) const;
  // Of the ratios of the single repetitions: the distance between the quartiles over the median.
  [[nodiscard]] double spread() const;
};

Result measure(const Row& row, const MeasureOptions& options);

}  // namespace bench
