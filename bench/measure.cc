// See measure.h.
#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "bench/placement.h"
#include "reference/cores.h"

namespace bench {
namespace {

// A repetition is this many turns of each side. Turns are short, so that whatever else the machine
// does meets both sides alike, and seldom more than half of the turns; together they take 100 ms.
struct Turns {
  int count;
  int warm_up;
  double ns;  // of each, about
};
constexpr Turns kTurns{50, 10, 2e6};
// Where two processes need a core each: much shorter than the kernel's time slices, since a turn
// begins with both of them running, and is worth little if one of them is stopped halfway.
constexpr Turns kPinnedTurns{300, 60, 0.3e6};
constexpr double kCalibrationNs = 20e6;
// Times that an incident is made to happen in a repetition: enough, with the default number of
// repetitions, for a p99.9 that is not just the worst.
constexpr int kIncidents = 250;

// The value at `part` (0 to 1) of the sorted figures, between neighbours where it falls there.
double quantile(std::vector<double> figures, double part) {
  if (figures.empty()) return 0;
  std::sort(figures.begin(), figures.end());
  const double at = part * static_cast<double>(figures.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, figures.size() - 1);
  return figures[below] + (at - std::floor(at)) * (figures[above] - figures[below]);
}

double median(const std::vector<double>& figures) { return quantile(figures, 0.5); }

// One side, with all that it has answered so far.
class Contestant {
 public:
  explicit Contestant(std::unique_ptr<reference::Side> side) : side_(std::move(side)) {}

  // Nanoseconds for `rounds` rounds.
  double time(std::uint64_t rounds) {
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t sum = side_->run(rounds);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    sum_ += sum;
    rounds_ += rounds;
    return took.count() - side_->paused_ns();
  }

  // How many rounds make a turn of the wanted length.
  std::uint64_t calibrate(double turn_ns) {
    std::uint64_t rounds = 1;
    double took = time(rounds);
    while (took < kCalibrationNs) {
      rounds *= 2;
      took = time(rounds);
    }
    const double wanted = static_cast<double>(rounds) * turn_ns / took;
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  }

  // Nanoseconds for one round, over `length` times `rounds` rounds. One more goes before them and
  // is not timed: it brings back what the other side's turn drove out of the caches.
  double turn(std::uint64_t rounds, double length) {
    const double wanted = std::max(1.0, std::round(static_cast<double>(rounds) * length));
    time(1);
    return time(static_cast<std::uint64_t>(wanted)) / wanted;
  }

  // Every round has the same sum on both sides, so different numbers of rounds compare crosswise.
  bool same_results(Contestant& other) {
    return sum_ * other.rounds_ == other.sum_ * rounds_ && side_->digest() == other.side_->digest();
  }

 private:
  std::unique_ptr<reference::Side> side_;
  std::uint64_t sum_ = 0;
  std::uint64_t rounds_ = 0;
};

// Both sides of a row, made anew for every repetition: how fast a side is depends a little on where
// its memory happens to lie and where the kernel likes to run its server, and one draw of that is
// no median. They are made in turns, too, where neither of them forks.
class Match {
 public:
  Match(const Row& row, bool self_check, bool reference_first) {
    const auto& other = self_check ? row.reference : row.shoal;
    if (reference_first) reference_.emplace(row.reference());
    shoal_.emplace(other());
    if (!reference_first) reference_.emplace(row.reference());
  }

  void calibrate(double turn_ns, std::uint64_t& shoal_rounds, std::uint64_t& reference_rounds) {
    shoal_rounds = shoal_->calibrate(turn_ns);
    reference_rounds = reference_->calibrate(turn_ns);
  }

  // Nanoseconds for one round of either side: the medians of `turns` turns.
  std::pair<double, double> take_turns(int turns, std::uint64_t shoal_rounds,
                                       std::uint64_t reference_rounds) {
    std::vector<double> shoal_ns;
    std::vector<double> reference_ns;
    for (int turn = 0; turn < turns; ++turn) {
      // Turns of changing length do not fall into step with the kernel's time slices.
      const double length = 0.75 + 0.5 * std::fmod(turn * 0.618, 1.0);
      shoal_ns.push_back(shoal_->turn(shoal_rounds, length));
      reference_ns.push_back(reference_->turn(reference_rounds, length));
    }
    return {median(shoal_ns), median(reference_ns)};
  }

  bool same_results() { return shoal_->same_results(*reference_); }

 private:
  std::optional<Contestant> reference_;
  std::optional<Contestant> shoal_;
};

}  // namespace

double Result::shoal_median() const { return median(shoal_ns); }
double Result::reference_median() const { return median(reference_ns); }
double Result::ratio() const { return shoal_median() / reference_median(); }
double Result::shoal_quantile(double part) const { return quantile(shoal_ns, part); }

double Result::spread() const {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < shoal_ns.size(); ++i) {
    ratios.push_back(shoal_ns[i] / reference_ns[i]);
  }
  return (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / median(ratios);
}

namespace {

Result measure_incident(const Row& row, const MeasureOptions& options) {
  Result result{row.name, row.reference_name, {}, {}, {}, true, true};
  const std::unique_ptr<Incident> incident = row.incident();
  for (int i = 0; i < options.reps * kIncidents; ++i) result.shoal_ns.push_back(incident->once());
  return result;
}

}  // namespace

Result measure(const Row& row, const MeasureOptions& options) {
  if (row.incident) return measure_incident(row, options);
  // Whatever forks comes first, so that it inherits nothing of shoal's.
  Placement placement(row.two_processes);
  Result result{row.name, row.reference_name, {}, {}, {}, true, false};
  const Turns& turns = row.pinned ? kPinnedTurns : kTurns;
  const auto operations = static_cast<double>(row.operations);
  std::uint64_t shoal_rounds = 0;
  std::uint64_t reference_rounds = 0;
  while (static_cast<int>(result.shoal_ns.size()) < options.reps) {
    Match match(row, options.self_check, row.two_processes || result.shoal_ns.size() % 2 == 0);
    const reference::PinnedToFirstCore pinned(row.pinned);
    if (shoal_rounds == 0) match.calibrate(turns.ns, shoal_rounds, reference_rounds);
    match.take_turns(turns.warm_up, shoal_rounds, reference_rounds);
    placement.before();
    const auto [shoal_ns, reference_ns] =
        match.take_turns(turns.count, shoal_rounds, reference_rounds);
    result.same_results = match.same_results() && result.same_results;
    if (!placement.after()) continue;
    result.shoal_ns.push_back(shoal_ns / operations);
    result.reference_ns.push_back(reference_ns / operations);
  }
  if (!placement.seen_ns().empty()) result.placement_ns = median(placement.seen_ns());
  return result;
}

}  // namespace bench
