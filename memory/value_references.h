// Which objects a stored value refers to, for whoever traces them without decoding the value.
//
// A value that holds others begins with a table of the ids in it:
//
//   | count, u32 | 0, u32 | id, u64 | id | ... | the value itself, aligned to 8 |
//
// A reference is its id, and all other kinds have no references. Kinds of later releases begin with
// the table too. docs/format.md, section "Values".
//
// The bytes may be shared, and hostile: the count is loaded once and compared with the size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "memory/shared_copy.h"

namespace shoal::memory {

// Where the ids are. `bytes_after` is what follows the last.
struct ReferenceTable {
  const std::byte* first = nullptr;
  std::size_t count = 0;
  std::size_t bytes_before_value = 0;  // the table's size

  // `bytes` must be aligned to 8. An id may be any number: who follows it looks at its generation.
  [[nodiscard]] std::uint64_t operator[](std::size_t i) const {
    return load_word(first + 8 * i, std::memory_order_relaxed);
  }
};

// The table of a value of this kind in `size` bytes at `bytes`, aligned to 8; nullopt if there is
// none although the kind demands it.
inline std::optional<ReferenceTable> reference_table(std::uint8_t kind, const std::byte* bytes,
                                                     std::size_t size) {
  constexpr std::uint8_t kFirstWithTable = 7;  // list
  constexpr std::uint8_t kReference = 12;
  if (kind < kFirstWithTable) return ReferenceTable{};
  if (size < 8) return std::nullopt;
  if (kind == kReference) {
    if (size != 8) return std::nullopt;
    return ReferenceTable{.first = bytes, .count = 1, .bytes_before_value = 0};
  }
  const std::uint64_t count = load_word(bytes, std::memory_order_relaxed);
  // A count above 32 bits has something where zeros belong, and is more than fits anyway.
  if (count > (size - 8) / 8) return std::nullopt;
  return ReferenceTable{.first = bytes + 8, .count = count, .bytes_before_value = 8 + 8 * count};
}

// Calls visit(id) for every object that the value refers to. False: the value is damaged.
template <typename Visit>
bool references_in(std::uint8_t kind, const std::byte* bytes, std::size_t size, Visit&& visit) {
  const std::optional<ReferenceTable> table = reference_table(kind, bytes, size);
  if (!table) return false;
  for (std::size_t i = 0; i < table->count; ++i) visit((*table)[i]);
  return true;
}

// How far a walk over all references in a container has come; at first: nowhere.
struct ReferenceWalk {
  std::uint32_t position = 0;  // what the container goes through its parts by
  std::uint32_t slot = 0;      // in this part
  std::uint64_t id = 0;        // of those in this value
  std::uint64_t root = 0;      // the root word, as it was when the first slot was looked at
  std::uint32_t tries = 0;     // how often it had changed meanwhile

  // After so many the container is given up.
  static constexpr std::uint32_t kTriesMax = 1000;
  // Of one turn: after each try in vain the next is twice as long, up to this.
  static constexpr std::uint32_t kStepsMax = 1 << 16;
  [[nodiscard]] std::uint32_t steps(std::uint32_t wanted) const {
    if (tries == 0) return wanted;
    return std::max(wanted, std::min(kStepsMax, 64U << std::min(tries, 10U)));
  }
};

// Of what may be looked at. False: there is not so much left.
inline bool take_bytes(std::uint64_t bytes, std::uint64_t& left) {
  if (bytes > left) return false;
  left -= bytes;
  return true;
}

enum class [[nodiscard]] Walked : std::uint8_t{
    kMore,
    kOver,  // also of a container that is damaged: nobody finds anything there
    kLost,  // it changes too often, or has more than there can be: some references were not met
};

}  // namespace shoal::memory
