// How far apart the two cores are right now: the time a cache line takes from one process to
// another. On virtual machines it changes within minutes, and figures taken on either side of such
// a change must not be compared.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>

namespace bench {

class LineProbe {
 public:
  // Forks the partner, which sleeps between measurements. Empty where there is only one core to
  // run on. Make it before anything that a forked process must not inherit.
  static std::unique_ptr<LineProbe> start();
  LineProbe(const LineProbe&) = delete;
  LineProbe& operator=(const LineProbe&) = delete;
  ~LineProbe();

  // Nanoseconds for one hand-over, the best of many short batches, so that a core that was busy
  // with something else meanwhile does not look far away. Both processes are pinned while it
  // lasts. Empty if the partner did not answer.
  std::optional<double> measure_ns();

 private:
  struct Line;
  LineProbe(Line* line, int wake, pid_t partner);

  Line* line_;
  int wake_;
  pid_t partner_;
};

}  // namespace bench
