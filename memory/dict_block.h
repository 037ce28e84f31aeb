// A block of a dict, and an entry in it, as they were when their words were loaded. No offset
// leaves the block; whether what was loaded stood is the caller's to ask (dict.h). In line by
// order, as dict_find.h says.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/dict_layout.h"
#include "memory/dict_values.h"
#include "memory/shared_copy.h"
#include "memory/word.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

struct DictBlock {
  std::byte* at = nullptr;
  DictRoot root;

  [[nodiscard]] std::uint32_t bytes() const { return root.bytes(); }
  [[nodiscard]] std::uint32_t buckets() const { return root.buckets(); }
  [[nodiscard]] std::uint32_t log() const { return buckets() * kBucketBytes; }
  [[nodiscard]] Word32* first_bucket(std::uint64_t hash) const {
    return bucket(bucket_bits(hash) & (buckets() - 1));
  }
  [[nodiscard]] Word32* bucket(std::uint32_t i) const {
    return reinterpret_cast<Word32*>(at + std::size_t{i} * kBucketBytes);
  }
  [[nodiscard]] std::uint32_t slots() const { return buckets() * kSlotsPerBucket; }
  [[nodiscard]] Word32& slot(std::uint32_t i) const { return reinterpret_cast<Word32*>(at)[i]; }
};

// An entry inside its block, as its first words said when they were loaded. Words, not what is in
// them: taken apart into narrow fields they would go through memory, and stall there.
struct StoredEntry {
  std::byte* at = nullptr;
  std::uint32_t offset = 0;
  std::uint64_t version = 0;
  std::uint64_t key_word = 0;
  ValueLayout layout;

  // The version before what it speaks of.
  [[gnu::always_inline]] void load(std::byte* block, std::uint32_t from) {
    at = block + from;
    offset = from;
    version = version_word().load();
    key_word = load_word(at, std::memory_order_relaxed);
    layout.word = load_word(at + 8, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t key_bytes() const { return key_bytes_in(key_word); }
  [[nodiscard]] std::byte* key() const { return at + kEntryHeadBytes; }
  [[nodiscard]] std::byte* value() const { return key() + padded(key_bytes()); }
  [[nodiscard]] std::uint32_t bytes() const { return entry_bytes(key_bytes(), layout.room()); }
  [[nodiscard]] EntryPlace place() const { return {.offset = offset, .bytes = bytes()}; }
  [[nodiscard]] Word64& version_word() const { return reinterpret_cast<Word64*>(at)[2]; }
  // It is what it was when it was loaded. Asked after a fence of loads, and after the slot.
  [[nodiscard]] bool stands() const {
    return (version & 1) == 0 && version_word().load() == version;
  }
};

// All of the entry is in its block, and the value in the entry. `key_bytes` are the entry's: who
// compared them knows them already.
[[gnu::always_inline]] inline bool is_sound(const DictBlock& block, const StoredEntry& entry,
                                            std::uint32_t key_bytes) {
  return entry_bytes(key_bytes, entry.layout.room()) <= block.bytes() - entry.offset &&
         entry.layout.bytes() <= entry.layout.room();
}

[[gnu::always_inline]] inline bool open_entry(const DictBlock& block, std::uint32_t offset,
                                              StoredEntry& entry) {
  if (offset + kEntryHeadBytes > block.bytes()) return false;
  entry.load(block.at, offset);
  return is_sound(block, entry, entry.key_bytes());
}

// Where an entry may be.
[[gnu::always_inline]] inline bool is_in_log(const DictBlock& block, const EntryPlace& place) {
  return place.offset >= block.log() && place.end() <= block.bytes() &&
         place.bytes >= entry_bytes(0, 8);
}

// What stands in a spare: the word of the one that comes behind it in its row.
[[gnu::always_inline]] inline std::uint32_t next_spare(const DictBlock& block,
                                                       const EntryPlace& place) {
  return static_cast<std::uint32_t>(load_word(block.at + place.offset, std::memory_order_relaxed));
}
[[gnu::always_inline]] inline void set_next_spare(const DictBlock& block, const EntryPlace& place,
                                                  std::uint32_t next) {
  store_word(block.at + place.offset, next, std::memory_order_relaxed);
}

// Of the same length.
[[gnu::always_inline]] inline bool is_key(const std::byte* theirs, const DictKey& key) {
  return is_equal(key.data, theirs, key.bytes);
}

[[gnu::always_inline]] inline bool has_key(const StoredEntry& entry, const DictKey& key) {
  return entry.key_bytes() == key.bytes && entry.layout.key_kind() == key.kind &&
         is_key(entry.key(), key);
}

// Of an entry that find_first() found.
[[gnu::always_inline]] inline StoredValue stored_in(const StoredEntry& entry, const DictKey& key) {
  return {.data = entry.key() + padded(key.bytes),
          .bytes = entry.layout.bytes(),
          .kind = entry.layout.kind(),
          .references = entry.layout.references()};
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
