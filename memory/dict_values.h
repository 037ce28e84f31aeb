// What goes into a dict's calls and comes out of them: keys, values, snapshots, figures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/object.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

struct DictKey {
  const void* data = nullptr;
  std::uint32_t bytes = 0;
  std::uint8_t kind = 0;
  std::uint64_t hash = 0;
};

// A value to be stored; `data` is the caller's.
struct DictValue {
  const void* data = nullptr;
  std::uint64_t bytes = 0;
  std::uint8_t kind = 0;
  bool references = false;
};

// A value as it lies in shared memory: copy it (copy_out), and believe none of it before the call
// that showed it has returned kDone. Padded to a multiple of 8 bytes.
struct StoredValue {
  const std::byte* data = nullptr;
  std::uint64_t bytes = 0;
  std::uint8_t kind = 0;
  bool references = false;
  std::uint64_t block = 0;  // where, if it has a block of its own

  [[nodiscard]] std::uint64_t word() const { return load_word(data, std::memory_order_relaxed); }
};

// What to do with a key that is looked at under its lock. `value`: to be put; it stays what and
// where it is until the call is over.
struct DictDecision {
  enum class What : std::uint8_t { kLeave, kPut, kErase };
  What what = What::kLeave;
  Result result = Result::kDone;  // what the call answers if nothing was changed
  const DictValue* value = nullptr;
};

// One entry of a snapshot; the bytes are in the snapshot.
struct DictItem {
  std::uint64_t sequence = 0;
  std::uint64_t key = 0;  // where its bytes begin
  std::uint64_t value = 0;
  std::uint64_t value_bytes = 0;
  std::uint32_t key_bytes = 0;
  std::uint8_t key_kind = 0;
  std::uint8_t value_kind = 0;
};

struct DictSnapshot {
  std::vector<DictItem> items;
  std::vector<std::byte> bytes;
};

struct DictStat {
  std::uint64_t entries = 0;
  std::uint64_t shards = 0;
  std::uint64_t shards_with_block = 0;
  std::uint64_t block_bytes = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t dead_bytes = 0;  // in logs: of what was erased or replaced; spares among them
  std::uint64_t large_values = 0;
  std::uint64_t large_bytes = 0;
  std::uint64_t slots = 0;
  std::uint64_t slots_used = 0;
  std::uint64_t probes = 0;  // buckets looked at to find each entry once
  std::uint64_t splits = 0;
  std::uint64_t contended = 0;
  std::uint64_t changes = 0;
  std::uint32_t depth = 0;
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
