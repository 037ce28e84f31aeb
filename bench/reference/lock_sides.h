// Sides made of any type with lock() and unlock() that lies in shared memory. Knows nothing of
// shoal.
#pragma once

#include <memory>

#include "reference/peer.h"
#include "reference/pthread_types.h"
#include "reference/sync_work.h"

namespace reference {

// Of T, lock() and unlock() give 1 when done.
template <typename T>
class Uncontended final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    T& lock = *lock_;
    return sync_rounds(rounds, [&] { return lock.lock() & lock.unlock(); });
  }

 private:
  InSharedMemory<T> lock_;
};

template <typename T>
class Contended final : public Side {
 public:
  explicit Contended(int outside_steps)
      : outside_steps_(outside_steps), peer_([this](PeerPage& page, const char*) {
          return [this, &page](std::uint64_t) {
            T& lock = *lock_;
            return contend(
                page, outside_steps_, [&] { lock.lock(); }, [&] { lock.unlock(); });
          };
        }) {
    peer_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    T& lock = *lock_;
    return contended_rounds(
        peer_, rounds, outside_steps_, [&] { lock.lock(); }, [&] { lock.unlock(); });
  }

 private:
  int outside_steps_;
  InSharedMemory<T> lock_;
  Peer peer_;
};

}  // namespace reference
