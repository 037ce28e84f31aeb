// See inspect_object.h.
#include "client/inspect_object.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "memory/barrier.h"
#include "memory/cell.h"
#include "memory/object.h"
#include "memory/recover.h"
#include "memory/semaphore.h"
#include "schemas/limits.h"
#include "schemas/protocol.h"

namespace shoal::internal {

using memory::Descriptor;
using memory::Geometry;
using memory::ObjectKind;
using memory::ObjectView;

namespace {

bool is_semaphore(ObjectKind kind) {
  return kind == ObjectKind::kSemaphore || kind == ObjectKind::kBoundedSemaphore;
}

bool has_lock(ObjectKind kind) {
  return !is_semaphore(kind) && kind != ObjectKind::kEvent && kind != ObjectKind::kBarrier;
}

bool is_recursive(ObjectKind kind) {
  return has_lock(kind) && kind != ObjectKind::kLock && kind != ObjectKind::kSharedLock;
}

// Bytes of the cells that name holders; 0: it has none.
std::uint64_t cell_bytes(ObjectKind kind, std::uint16_t flags, std::uint64_t parameter) {
  if (kind == ObjectKind::kSharedLock) {
    return parameter > protocol::kSharersMax ? 0 : parameter * sizeof(memory::Word32);
  }
  if (is_semaphore(kind) && (flags & memory::kFlagPlain) == 0) {
    return parameter > protocol::kOwnedPermitsMax ? 0 : parameter * sizeof(memory::Word16);
  }
  return 0;
}

bool is_whole(const Descriptor& d, std::uint64_t index) {
  const std::uint64_t id = d.id.load();
  return index != 0 && (id & 0xffffffff) == index && memory::is_arena_kind(d.kind.load());
}

// A copy of the cells: from the descriptor, or from those pages of their block that are there.
std::vector<std::byte> read_cells(const ArenaSeen& arena, const Descriptor& d,
                                  std::uint64_t bytes) {
  if (bytes == 0) return {};
  std::vector<std::byte> cells(bytes);
  if (bytes <= memory::kInlineCellBytes) {
    std::memcpy(cells.data(), d.cells16, bytes);
    return cells;
  }
  const std::uint64_t block = d.block.load();
  if (block < Geometry::kObjectTable || block > memory::kArenaBytesMax * 2 ||
      bytes > arena.budget) {
    return {};
  }
  arena.budget -= bytes;
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t from = block / kPage * kPage;
  const std::uint64_t to = (block + bytes + kPage - 1) / kPage * kPage;
  arena.file.for_each_page(from, to, [&](std::uint64_t offset, std::span<const std::byte> page) {
    const std::uint64_t begin = std::max(offset, block);
    const std::uint64_t end = std::min(offset + page.size(), block + bytes);
    if (begin >= end) return;
    std::memcpy(cells.data() + (begin - block), page.data() + (begin - offset), end - begin);
  });
  return cells;
}

// How many holds each slot has.
std::map<std::uint16_t, std::uint32_t> holds_in(ObjectKind kind, std::span<const std::byte> cells) {
  std::map<std::uint16_t, std::uint32_t> holds;
  const std::size_t width =
      kind == ObjectKind::kSharedLock ? sizeof(std::uint32_t) : sizeof(std::uint16_t);
  for (std::size_t at = 0; at + width <= cells.size(); at += width) {
    std::uint32_t cell = 0;
    std::memcpy(&cell, cells.data() + at, width);
    if (cell == 0) continue;
    if (kind == ObjectKind::kSharedLock) {
      holds[static_cast<std::uint16_t>(cell >> 16)] += cell & 0xffff;
    } else {
      ++holds[static_cast<std::uint16_t>(cell)];
    }
  }
  return holds;
}

std::uint32_t unless_gone(std::uint32_t owner) {
  return memory::slot_of_owner(owner) == memory::kSlotGone ? 0 : owner;
}

// {slot, thread} of who has the object's lock; 0: nobody.
std::uint32_t owner_in(const Descriptor& d, ObjectKind kind) {
  return has_lock(kind) ? unless_gone(memory::owner_in(d.lock.load())) : 0;
}
// ... who is just storing a cell's value.
std::uint32_t storer_in(const Descriptor& d, ObjectKind kind) {
  const bool has_claim = kind == ObjectKind::kCell && !memory::is_one_word(d.parameter.load());
  return has_claim ? unless_gone(d.hint.load()) : 0;
}

}  // namespace

std::optional<memory::ArenaHeader> read_header(const SharedFile& file) {
  memory::ArenaHeader header{};
  if (!file.read(0, std::as_writable_bytes(std::span(&header, 1)))) return std::nullopt;
  if (header.magic != memory::kArenaMagic || header.layout != protocol::kLayoutVersion) {
    return std::nullopt;
  }
  return header;
}

void for_each_object(const ArenaSeen& arena, absl::FunctionRef<void(const Descriptor&)> visit) {
  constexpr std::uint64_t kTable = Geometry::kObjectTable;
  constexpr std::uint64_t kBytes =
      std::uint64_t{memory::kDescriptorsMax} * memory::kDescriptorBytes;
  arena.file.for_each_page(
      kTable, kTable + kBytes, [&](std::uint64_t offset, std::span<const std::byte> page) {
        for (std::size_t at = 0; at + sizeof(Descriptor) <= page.size(); at += sizeof(Descriptor)) {
          Descriptor descriptor;
          std::memcpy(&descriptor, page.data() + at, sizeof descriptor);
          if (is_whole(descriptor, (offset + at - kTable) / sizeof descriptor)) visit(descriptor);
        }
      });
}

std::optional<Descriptor> read_descriptor(const ArenaSeen& arena, std::uint64_t id) {
  const std::uint64_t index = id & 0xffffffff;
  if (index >= memory::kDescriptorsMax) return std::nullopt;
  Descriptor descriptor;
  const std::uint64_t offset = Geometry::kObjectTable + index * sizeof descriptor;
  if (!arena.file.read(offset, std::as_writable_bytes(std::span(&descriptor, 1))) ||
      !is_whole(descriptor, index) || descriptor.id.load() != id) {
    return std::nullopt;
  }
  return descriptor;
}

bool may_be_held(const Descriptor& d) {
  const auto kind = static_cast<ObjectKind>(d.kind.load());
  if (owner_in(d, kind) != 0 || storer_in(d, kind) != 0) return true;
  return is_semaphore(kind) || kind == ObjectKind::kSharedLock || kind == ObjectKind::kBarrier;
}

LockSeen read_object(const ArenaSeen& arena, const Descriptor& d, Resolve resolve) {
  const auto kind = static_cast<ObjectKind>(d.kind.load());
  const std::uint16_t flags = d.flags.load();
  const std::uint64_t parameter = d.parameter.load();
  LockSeen object{
      .manager = arena.manager,
      .arena = arena.arena,
      .object = d.id.load(),
      .kind = static_cast<Kind>(kind),
      .release_by_anyone = kind == ObjectKind::kLock && (flags & memory::kFlagReleaseByAnyone) != 0,
      .plain = is_semaphore(kind) && (flags & memory::kFlagPlain) != 0,
      .parameter = parameter,
      .recoveries = d.recoveries.load(),
      .contended = d.contended.load()};
  if (const std::uint32_t storer = storer_in(d, kind); storer != 0) {
    object.storer = resolve(memory::slot_of_owner(storer), memory::thread_of_owner(storer));
  }
  if (const std::uint32_t owner = owner_in(d, kind); owner != 0) {
    object.holder = resolve(memory::slot_of_owner(owner), memory::thread_of_owner(owner));
    if (is_recursive(kind)) object.depth = d.depth.load();
  }
  if (has_lock(kind)) {
    object.token = d.token.load();
    object.abandoned = d.abandoned.load() != 0;
  }

  // What the algorithms of memory/ know to read, they read from the copy.
  Descriptor copy;
  std::memcpy(&copy, &d, sizeof copy);
  std::vector<std::byte> cells = read_cells(arena, d, cell_bytes(kind, flags, parameter));
  for (const auto& [slot, count] : holds_in(kind, cells)) {
    object.holders.push_back({.holder = resolve(slot, 0), .count = count});
  }
  ObjectView view;
  view.descriptor = &copy;
  view.kind = kind;
  view.flags = flags;
  view.bytes = cells.data();
  view.size = cells.size();
  if (is_semaphore(kind)) {
    view.count = static_cast<std::uint32_t>(cells.size() / sizeof(memory::Word16));
    object.value = memory::free_permits(view);
  } else if (kind == ObjectKind::kBarrier) {
    object.arrived = memory::arrived(view);
    object.broken = memory::is_broken(view);
  } else if (kind == ObjectKind::kEvent) {
    object.value = copy.value.load() & 1;
  } else if (kind == ObjectKind::kCell) {
    object.value = copy.value.load();
  }
  return object;
}

bool is_held(const LockSeen& object) {
  return object.holder.has_value() || !object.holders.empty() || object.arrived > 0;
}

}  // namespace shoal::internal
