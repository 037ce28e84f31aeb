// See placement.h.
#include "bench/placement.h"

#include <cstdio>

namespace bench {
namespace {

constexpr double kMovedFactor = 2.0;
constexpr int kRepeatsMax = 20;  // of repetitions of one row

}  // namespace

Placement::Placement(bool watched) {
  if (!watched) return;
  probe_ = LineProbe::start();
  if (probe_ == nullptr) std::fprintf(stderr, "  one core only: placement unknown\n");
}

std::optional<double> Placement::look() {
  return probe_ == nullptr ? std::nullopt : probe_->measure_ns();
}

bool Placement::moved(double ns) const {
  return ns > home_ * kMovedFactor || ns * kMovedFactor < home_;
}

bool Placement::after() {
  const std::optional<double> now = look();
  if (!before_ || !now) return true;
  if (seen_.empty()) home_ = *before_;
  if (moved(*before_) || moved(*now)) {
    const bool again = repeats_ < kRepeatsMax;
    std::fprintf(stderr, "  the cores moved: line hand-over %.0f ns, then %.0f to %.0f ns: %s\n",
                 home_, *before_, *now, again ? "once more" : "taken as it is");
    ++repeats_;
    if (again) return false;
  }
  seen_.push_back(*before_);
  seen_.push_back(*now);
  return true;
}

}  // namespace bench
