// What stands in the arena of a test's own session: the words of one object, as a sweep looks at
// them while its victim is stopped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <utility>

#include "memory/recover.h"

namespace shoal::test {

// Where this process maps the arena; all of its sessions share the mapping.
inline std::span<std::byte> mapped_arena() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("shoal-arena") == std::string::npos) continue;
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2) continue;
    return {reinterpret_cast<std::byte*>(begin), end - begin};
  }
  return {};
}

// One object as it was at a moment: its descriptor, and the beginning of its block.
//
//   0       256         512
//   +-------+-----------+----------+
//   | header| descriptor| block    |
//   +-------+-----------+----------+
class Image {
 public:
  Image(std::span<std::byte> arena, std::uint64_t id) : id_(id) {
    const auto index = static_cast<std::uint32_t>(id);
    const std::byte* const at = arena.data() + memory::Geometry::kObjectTable +
                                std::uint64_t{index} * memory::kDescriptorBytes;
    std::memcpy(bytes_.data() + kDescriptor, at, memory::kDescriptorBytes);
    const std::uint64_t block = words().block.load();
    if (block != 0 && block + kBlockBytes <= arena.size()) {
      std::memcpy(bytes_.data() + kBlock, arena.data() + block, kBlockBytes);
    }
  }

  [[nodiscard]] const memory::Descriptor& words() const {
    return *reinterpret_cast<const memory::Descriptor*>(bytes_.data() + kDescriptor);
  }
  // Of this image, in which algorithms may work.
  [[nodiscard]] memory::ObjectView view() {
    const memory::Descriptor& d = words();
    memory::ObjectView view =
        memory::view_of(bytes_.data(), id_, static_cast<memory::ObjectKind>(d.kind.load()),
                        d.flags.load(), d.parameter.load(), d.block.load() == 0 ? 0 : kBlock);
    view.descriptor = reinterpret_cast<memory::Descriptor*>(bytes_.data() + kDescriptor);
    view.header = reinterpret_cast<const memory::ArenaHeader*>(bytes_.data());
    if (d.block.load() == 0)
      view.bytes = bytes_.data() + kDescriptor + memory::kDescriptorBytes / 2;
    return view;
  }

  // Whether the slot holds or has claimed something of the object.
  [[nodiscard]] bool names(std::uint16_t slot) {
    using memory::ObjectKind;
    const memory::ObjectView v = view();
    if (memory::slot_in(words().lock.load()) == slot) return true;
    for (std::size_t i = 0; i < v.size / 2 && is_cells16(v); ++i) {
      if (v.cells16()[i].load() == slot) return true;
    }
    for (std::size_t i = 0; i < v.size / 4 && v.kind == ObjectKind::kSharedLock; ++i) {
      if (v.cells32()[i].load() >> 16 == slot) return true;
    }
    for (std::size_t i = 0; i < v.size / 4 && v.kind == ObjectKind::kCondition; ++i) {
      if (memory::slot_in(v.cells32()[i].load()) == slot) return true;
    }
    const bool large = v.kind == ObjectKind::kCell && v.size > 0;
    return large && memory::slot_of_owner(words().hint.load()) == slot;
  }

  friend bool operator==(const Image& a, const Image& b) {
    return std::memcmp(a.bytes_.data(), b.bytes_.data(), a.bytes_.size()) == 0;
  }

 private:
  static bool is_cells16(const memory::ObjectView& view) {
    const bool counts = view.kind == memory::ObjectKind::kSemaphore ||
                        view.kind == memory::ObjectKind::kBoundedSemaphore;
    return view.kind == memory::ObjectKind::kBarrier || (counts && !view.has(memory::kFlagPlain));
  }

  static constexpr std::size_t kDescriptor = 256;
  static constexpr std::size_t kBlock = 512;
  static constexpr std::size_t kBlockBytes = 512;
  std::uint64_t id_;
  alignas(64) std::array<std::byte, kBlock + kBlockBytes> bytes_{};
};

}  // namespace shoal::test
