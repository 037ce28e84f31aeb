// All scenarios of memory/'s synchronisation.
#pragma once

#include "tests/crash/cell_scenarios.h"
#include "tests/crash/condition_scenarios.h"
#include "tests/crash/event_scenarios.h"
#include "tests/crash/lock_scenarios.h"
#include "tests/crash/semaphore_scenarios.h"
#include "tests/crash/shared_lock_scenarios.h"

namespace shoal::test {

inline const std::vector<Scenario>& sync_scenarios() {
  static const std::vector<Scenario> kAll = [] {
    std::vector<Scenario> all;
    for (std::vector<Scenario> some :
         {lock_scenarios(), rlock_scenarios(), shared_lock_scenarios(), semaphore_scenarios(),
          condition_scenarios(), event_scenarios(), barrier_scenarios(), cell_scenarios()}) {
      for (Scenario& scenario : some) all.push_back(std::move(scenario));
    }
    return all;
  }();
  return kAll;
}

}  // namespace shoal::test
