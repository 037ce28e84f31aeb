// One object in a piece of an arena, and those who use it: the ground of the sweeps of memory/'s
// synchronisation. No manager, no session. Also compiled with seeded faults.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "memory/recover.h"

namespace shoal::test {

using memory::Acquisition;
using memory::Caller;
using memory::Descriptor;
using memory::ObjectKind;
using memory::ObjectView;
using memory::Result;

// Who is who, by slot.
inline constexpr std::uint16_t kVictim = 7;
inline constexpr std::uint16_t kSecondVictim = 8;
inline constexpr std::uint16_t kOther = 9;   // lives, and may hold something from the beginning
inline constexpr std::uint16_t kLater = 11;  // lives, and comes when all is over
inline constexpr std::uint16_t kManager = 0;
inline constexpr std::uint16_t kSleepers = 20;  // and the numbers after it

inline bool is_victim(std::uint16_t slot) { return slot == kVictim || slot == kSecondVictim; }

// What the object is.
struct Made {
  ObjectKind kind = ObjectKind::kLock;
  std::uint16_t flags = 0;
  std::uint64_t parameter = 0;
};

//   0       256         512
//   +-------+-----------+----------+
//   | header| descriptor| block    |
//   +-------+-----------+----------+
// The offsets of an arena in which the object has index 1, from 64 KiB on; what lies before that is
// not there, and nobody looks at it.
inline constexpr std::size_t kImageBytes = 1024;
inline constexpr std::uint64_t kObjectId = std::uint64_t{5} << 32 | 1;

inline std::byte* arena_of(std::span<std::byte> image) {
  return image.data() - memory::Geometry::kObjectTable;
}

inline std::uint64_t block_of(const Made& made) {
  const bool needed = memory::block_bytes(made.kind, made.flags, made.parameter) != 0;
  return needed ? memory::Geometry::kObjectTable + 2 * memory::kDescriptorBytes : 0;
}

inline ObjectView view_in(std::span<std::byte> image, const Made& made) {
  ObjectView view = memory::view_of(arena_of(image), kObjectId, made.kind, made.flags,
                                    made.parameter, block_of(made));
  view.header = reinterpret_cast<const memory::ArenaHeader*>(image.data());
  return view;
}

// Values of cells: bytes that tell where they belong.
inline constexpr std::size_t kValueBytesMax = 96;
inline std::array<std::byte, kValueBytesMax> cell_value(unsigned char first) {
  std::array<std::byte, kValueBytesMax> value{};
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = std::byte(first + i);
  return value;
}

inline void lay_in(std::span<std::byte> image, const Made& made) {
  const auto initial = cell_value(1);
  memory::lay_object(
      arena_of(image),
      {.index = 1,
       .id = kObjectId,
       .kind = made.kind,
       .flags = made.flags,
       .parameter = made.parameter,
       .block = block_of(made),
       .initial = std::span(initial).first(std::min<std::size_t>(made.parameter, kValueBytesMax))});
}

// A thread of a process. It sleeps at once: a spin only makes a sweep longer.
class Actor {
 public:
  explicit Actor(std::uint16_t slot, std::uint32_t thread = 1)
      : record_(std::make_unique<memory::ThreadRecord>()) {
    caller_.owner = memory::owner_of(slot, thread);
    caller_.record = record_.get();
    caller_.spins = 0;
    caller_.spins_max = 0;
  }
  Caller& caller() { return caller_; }

 private:
  std::unique_ptr<memory::ThreadRecord> record_;
  Caller caller_;
};

}  // namespace shoal::test
