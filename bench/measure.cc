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

// How many rounds make a turn of either side, and how many turns a repetition.
struct Lengths {
  std::uint64_t shoal_rounds;
  std::uint64_t reference_rounds;
  int warm_up;
  int count;
  bool long_rounds;  // then nothing has to be brought back into the caches before a turn
};

// What a side's calibration found.
struct Pace {
  std::uint64_t rounds;  // of a turn
  double turn_ns;
};

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

  // How many rounds make a turn of the wanted length, or of more if one round takes longer.
  Pace calibrate(double turn_ns) {
    std::uint64_t rounds = 1;
    double took = time(rounds);
    while (took < kCalibrationNs) {
      rounds *= 2;
      took = time(rounds);
    }
    const double round_ns = took / static_cast<double>(rounds);
    const std::uint64_t wanted = std::max(1.0, turn_ns / round_ns);
    return {wanted, static_cast<double>(wanted) * round_ns};
  }

  // Nanoseconds for one round, over `length` times `rounds` rounds. One more goes before them,
  // unless rounds are long, and is not timed: it brings back what the other side's turn drove out
  // of the caches.
  double turn(std::uint64_t rounds, double length, bool long_rounds) {
    const double wanted = std::max(1.0, std::round(static_cast<double>(rounds) * length));
    if (!long_rounds) time(1);
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

  // Where a round takes longer than a turn should, there are fewer turns, down to one.
  Lengths calibrate(const Turns& turns) {
    const Pace shoal = shoal_->calibrate(turns.ns);
    const Pace reference = reference_->calibrate(turns.ns);
    const double longest = std::max(shoal.turn_ns, reference.turn_ns);
    const double part = std::min(1.0, turns.ns / longest);
    return {.shoal_rounds = shoal.rounds,
            .reference_rounds = reference.rounds,
            .warm_up = std::max(1, static_cast<int>(turns.warm_up * part)),
            .count = std::max(1, static_cast<int>(turns.count * part)),
            .long_rounds = longest > kCalibrationNs};
  }

  // Nanoseconds for one round of either side: the medians of `turns` turns.
  std::pair<double, double> take_turns(int turns, const Lengths& lengths) {
    std::vector<double> shoal_ns;
    std::vector<double> reference_ns;
    for (int turn = 0; turn < turns; ++turn) {
      // Turns of changing length do not fall into step with the kernel's time slices.
      const double length = 0.75 + 0.5 * std::fmod(turn * 0.618, 1.0);
      shoal_ns.push_back(shoal_->turn(lengths.shoal_rounds, length, lengths.long_rounds));
      reference_ns.push_back(
          reference_->turn(lengths.reference_rounds, length, lengths.long_rounds));
    }
    return {median(shoal_ns), median(reference_ns)};
  }

  bool same_results() { return shoal_->same_results(*reference_); }

 private:
  std::optional<Contestant> reference_;
  std::optional<Contestant> shoal_;
};

}  // namespace

double Result::shoal_median() const { return median(shoal); }
double Result::reference_median() const { return median(reference); }
double Result::ratio() const { return shoal_median() / reference_median(); }

double Result::spread() const {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < shoal.size(); ++i) ratios.push_back(shoal[i] / reference[i]);
  return (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / median(ratios);
}

namespace {

Result empty_result(const Row& row) {
  Result result;
  result.name = row.name;
  result.reference_name = row.reference_name;
  result.unit = row.unit;
  result.same_results = true;
  return result;
}

Result measure_incident(const Row& row, int reps) {
  Result result = empty_result(row);
  const std::unique_ptr<Incident> incident = row.incident();
  for (int i = 0; i < reps * kIncidents; ++i) result.shoal.push_back(incident->once());
  result.tail = {.median_ns = result.shoal_median(),
                 .p99_ns = quantile(result.shoal, 0.99),
                 .p999_ns = quantile(result.shoal, 0.999),
                 .worst_ns = quantile(result.shoal, 1)};
  return result;
}

// The tail is that of the median repetition, but for the worst of all.
Result measure_tail(const Row& row, int reps) {
  Result result = empty_result(row);
  std::vector<double> p99;
  std::vector<double> p999;
  std::vector<double> worst;
  for (int i = 0; i < reps; ++i) {
    const reference::Tail tail = row.tail();
    result.shoal.push_back(tail.median_ns);
    p99.push_back(tail.p99_ns);
    p999.push_back(tail.p999_ns);
    worst.push_back(tail.worst_ns);
  }
  result.tail = {.median_ns = result.shoal_median(),
                 .p99_ns = median(p99),
                 .p999_ns = median(p999),
                 .worst_ns = quantile(worst, 1)};
  return result;
}

Result measure_figures(const Row& row, int reps) {
  Result result = empty_result(row);
  for (int i = 0; i < reps; ++i) {
    result.reference.push_back(row.reference_figure());
    result.shoal.push_back(row.shoal_figure());
  }
  return result;
}

Result measure_sides(const Row& row, int reps, bool self_check) {
  // Whatever forks comes first, so that it inherits nothing of shoal's.
  Placement placement(row.two_processes);
  Result result = empty_result(row);
  const Turns& turns = row.pinned ? kPinnedTurns : kTurns;
  const auto operations = static_cast<double>(row.operations);
  std::optional<Lengths> lengths;
  while (static_cast<int>(result.shoal.size()) < reps) {
    Match match(row, self_check, row.two_processes || result.shoal.size() % 2 == 0);
    const reference::PinnedToFirstCore pinned(row.pinned);
    if (!lengths) lengths = match.calibrate(turns);
    match.take_turns(lengths->warm_up, *lengths);
    placement.before();
    const auto [shoal_ns, reference_ns] = match.take_turns(lengths->count, *lengths);
    result.same_results = match.same_results() && result.same_results;
    if (!placement.after()) continue;
    result.shoal.push_back(shoal_ns / operations);
    result.reference.push_back(reference_ns / operations);
  }
  if (!placement.seen_ns().empty()) result.placement_ns = median(placement.seen_ns());
  return result;
}

}  // namespace

Result measure(const Row& row, const MeasureOptions& options) {
  const int reps = std::min(options.reps, row.reps_max);
  if (row.incident) return measure_incident(row, reps);
  if (row.tail) return measure_tail(row, reps);
  if (row.shoal_figure) return measure_figures(row, reps);
  return measure_sides(row, reps, options.self_check);
}

}  // namespace bench
