// One aligned word of shared memory: every load, store and change of one is atomic, whoever else
// maps it. Knows no meaning. In scheduled test builds each access is a step of the scheduler.
//
// Trivial, so that a struct of words may lie over mapped bytes, and may be laid over any bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "memory/variant.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

#ifdef SHOAL_SCHEDULED
void scheduler_step(const void* word);
#else
inline void scheduler_step(const void*) {}
#endif

template <typename T>
class Word {
 public:
  // The mapping may be read-only: then load alone.
  [[nodiscard]] T load(std::memory_order order = std::memory_order_acquire) const {
    scheduler_step(this);
    return ref().load(order);
  }
  void store(T value, std::memory_order order = std::memory_order_release) {
    scheduler_step(this);
    ref().store(value, order);
  }
  // On failure `expected` becomes what was found. Sequentially consistent, as are the others: who
  // changes a word and then looks whether somebody waits rests on it.
  bool change(T& expected, T desired) {
    scheduler_step(this);
    return ref().compare_exchange_strong(expected, desired, std::memory_order_seq_cst);
  }
  T exchange(T value) {
    scheduler_step(this);
    return ref().exchange(value, std::memory_order_seq_cst);
  }
  T add(T value) {
    scheduler_step(this);
    return ref().fetch_add(value, std::memory_order_seq_cst);
  }

 private:
  [[nodiscard]] std::atomic_ref<T> ref() const { return std::atomic_ref<T>(raw_); }

  alignas(sizeof(T)) mutable T raw_;
};

using Word16 = Word<std::uint16_t>;
using Word32 = Word<std::uint32_t>;
using Word64 = Word<std::uint64_t>;

static_assert(sizeof(Word16) == 2 && sizeof(Word32) == 4 && sizeof(Word64) == 8);
static_assert(std::is_trivial_v<Word64> && std::is_standard_layout_v<Word64>);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

SHOAL_VARIANT_END

}  // namespace shoal::memory
