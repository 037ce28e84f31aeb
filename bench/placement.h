// Holds all repetitions of a two-process row to one placement of the cores: that of the first.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bench/line_probe.h"

namespace bench {

class Placement {
 public:
  // Watches nothing if `watched` is false: then every repetition counts.
  explicit Placement(bool watched);

  void before() { before_ = look(); }

  // Whether the repetition since before() counts. After kRepeatsMax refusals everything counts, and
  // stderr says so.
  bool after();

  // The hand-overs of a line seen around the repetitions that counted.
  [[nodiscard]] const std::vector<double>& seen_ns() const { return seen_; }

 private:
  std::optional<double> look();
  [[nodiscard]] bool moved(double ns) const;

  std::unique_ptr<LineProbe> probe_;
  std::optional<double> before_;
  double home_ = 0;
  std::vector<double> seen_;
  int repeats_ = 0;
};

}  // namespace bench
