// Every public call that the sweeps with a real manager know.
#pragma once

#include "tests/crash/public/container_operations.h"
#include "tests/crash/public/lock_operations.h"
#include "tests/crash/public/signal_operations.h"
#include "tests/crash/public/transaction_operations.h"
#include "tests/crash/public/value_operations.h"

namespace shoal::test {

inline const std::vector<PublicOperation>& public_operations() {
  static const std::vector<PublicOperation> kAll = [] {
    std::vector<PublicOperation> all;
    add_lock_operations<Lock>(all, "Lock");
    add_lock_operations<RLock>(all, "RLock");
    add_lock_operations<SharedLock>(all, "SharedLock");
    add_shared_operations(all);
    add_semaphore_operations<Semaphore>(all, "Semaphore");
    add_semaphore_operations<BoundedSemaphore>(all, "BoundedSemaphore");
    add_condition_operations(all);
    add_event_operations(all);
    add_barrier_operations(all);
    add_cell_operations<std::int32_t>(all, "i32", 13, 9);
    add_cell_operations<double>(all, "f64", 0.5, 2.5);
    add_cell_operations<LargeValue>(all, "f64[16]", large(0.5), large(2.5));
    all.push_back(lock_of_operation<Cell<std::int32_t>>("Cell", {}));
    all.push_back(lock_of_operation<Array<double>>("Array", {.size = 8}));
    all.push_back(array_operation<std::int64_t>("i64", 77));
    all.push_back(array_operation<LargeValue>("f64[16]", large(1.5)));
    add_list_operations(all);
    add_dict_operations(all);
    add_typed_dict_operations(all);
    add_namespace_operations(all);
    add_list_container_operations(all);
    add_transaction_operations(all);
    return all;
  }();
  return kAll;
}

}  // namespace shoal::test
