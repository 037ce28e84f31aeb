// References of the rows of locks, semaphores, events, cells and waiting: what the C library, Boost
// and the bare kernel offer for the same. All of it lies in memory that is shared between
// processes, but for the atomics of cell/. Knows nothing of shoal.
#pragma once

#include <memory>

#include "reference/side.h"

namespace reference {

// One process; rounds of sync_rounds(). An operation is a lock and an unlock, or the like.
std::unique_ptr<Side> pthread_lock();
std::unique_ptr<Side> pthread_robust_lock();
std::unique_ptr<Side> boost_lock();
std::unique_ptr<Side> pthread_recursive_lock();
std::unique_ptr<Side> boost_recursive_lock();
std::unique_ptr<Side> pthread_read_lock();
std::unique_ptr<Side> boost_read_lock();
std::unique_ptr<Side> posix_semaphore();
std::unique_ptr<Side> boost_semaphore();
std::unique_ptr<Side> pthread_flag();  // a flag under a mutex: whether it is set
std::unique_ptr<Side> atomic_load();
std::unique_ptr<Side> atomic_fetch_add();

// Two processes; contended_rounds().
std::unique_ptr<Side> pthread_contended(int outside_steps);
std::unique_ptr<Side> pthread_robust_contended(int outside_steps);
std::unique_ptr<Side> boost_contended(int outside_steps);

// Two processes that wake each other in turns. A round is one round trip, of bare_spin()
// kSpinRound.
std::unique_ptr<Side> bare_futex();
std::unique_ptr<Side> posix_semaphore_wake();
std::unique_ptr<Side> pthread_condition_wake();
std::unique_ptr<Side> bare_spin();

}  // namespace reference
