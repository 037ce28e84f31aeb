// The lock/contended2 rows: two processes want the same lock all the time.
#include <string>

#include <shoal/lock.h>

#include "bench/row.h"
#include "bench/shoal_peer.h"
#include "reference/sync.h"
#include "reference/sync_work.h"

namespace bench {
namespace {

using reference::kContendedRound;
using reference::kOutsideSteps;
using reference::PeerPage;

constexpr char kName[] = "contended";

class Contended final : public reference::Side {
 public:
  explicit Contended(int outside_steps)
      : outside_steps_(outside_steps),
        shoal_([outside_steps](PeerPage& page, const shoal::Client& client) {
          const auto lock = must("open", client.open<shoal::Lock>(kName));
          return [outside_steps, &page, lock](std::uint64_t) {
            return reference::contend(
                page, outside_steps, [&] { lock.lock(); }, [&] { lock.unlock(); });
          };
        }),
        lock_(must("create", shoal_.client().create<shoal::Lock>(kName))) {
    shoal_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    return reference::contended_rounds(
        shoal_.peer(), rounds, outside_steps_, [&] { lock_.lock(); }, [&] { lock_.unlock(); });
  }

 private:
  int outside_steps_;
  ShoalPeer shoal_;
  shoal::Lock lock_;
};

Row contended_row(const std::string& name, const char* reference_name, int outside_steps,
                  std::unique_ptr<reference::Side> (*reference)(int)) {
  return {.name = name,
          .reference_name = reference_name,
          .operations = kContendedRound,
          .two_processes = true,
          .pinned = true,
          .reference = [=] { return reference(outside_steps); },
          .shoal = [=] { return std::make_unique<Contended>(outside_steps); }};
}

}  // namespace

std::vector<Row> contended_rows() {
  constexpr char kPlain[] = "process-shared pthread mutex";
  constexpr char kRobust[] = "robust process-shared pthread mutex";
  constexpr char kBoost[] = "Boost interprocess_mutex";
  return {
      contended_row("lock/contended2", kRobust, 0, reference::pthread_robust_contended),
      contended_row("lock/contended2_vs_plain", kPlain, 0, reference::pthread_contended),
      contended_row("lock/contended2_vs_boost", kBoost, 0, reference::boost_contended),
      contended_row("lock/contended2_work", kRobust, kOutsideSteps,
                    reference::pthread_robust_contended),
      contended_row("lock/contended2_work_vs_plain", kPlain, kOutsideSteps,
                    reference::pthread_contended),
      contended_row("lock/contended2_work_vs_boost", kBoost, kOutsideSteps,
                    reference::boost_contended),
  };
}

}  // namespace bench
