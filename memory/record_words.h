// What words say that a transaction is about to change: as they are, or, once it is committed, as
// its record says. For readers, who wait for nobody. What a record is: transaction_layout.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/dict_bucket.h"
#include "memory/transaction_layout.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

class RecordWords {
 public:
  // `mark`: the object's or shard's word that names the record. It is looked at before the words.
  RecordWords(const Word64& mark, const std::byte* arena, const Geometry& geometry);

  [[nodiscard]] std::uint32_t tagged(const Word32* bucket, std::uint32_t tag) const;
  [[nodiscard]] bool has_empty(const Word32* bucket) const;
  [[nodiscard]] std::uint32_t slot(const Word32& slot) const {
    return static_cast<std::uint32_t>(resolve(&slot, slot.load()));
  }
  [[nodiscard]] std::uint64_t word(const Word64& word) const { return resolve(&word, word.load()); }
  // Whether it is the same transaction still, in the same state.
  [[nodiscard]] bool stand() const;

 private:
  [[nodiscard]] std::uint64_t resolve(const void* word, std::uint64_t raw) const;

  const Word64& marked_;
  const std::byte* arena_;
  std::uint64_t mark_;
  const TransactionRecord* record_ = nullptr;
  std::uint64_t state_ = 0;
  std::uint64_t publishes_ = 0;  // 0: words are as they are
};

// Where there is no mark.
struct PlainWords {
  [[nodiscard]] std::uint32_t tagged(const Word32* bucket, std::uint32_t tag) const {
    return tagged_slots(bucket, tag);
  }
  [[nodiscard]] bool has_empty(const Word32* bucket) const { return empty_slots(bucket) != 0; }
  [[nodiscard]] std::uint32_t slot(const Word32& slot) const { return slot.load(); }
  [[nodiscard]] std::uint64_t word(const Word64& word) const { return word.load(); }
  [[nodiscard]] static bool stand() { return true; }
};

SHOAL_VARIANT_END

}  // namespace shoal::memory
