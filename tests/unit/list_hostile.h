// A List whose bytes are overwritten, before calls and between them: everything is called, all of
// it ends, and nothing outside of the bytes is touched: what is around them is not mapped. Fed by
// tests/fuzz/list_fuzz.cc and by list_container_damage_test.cc.
//
//   input of HostileList:  | draw | overwrites of 12 bytes: | region | word, 2 | how | 8 bytes |
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/unit/list_container_memory.h"

namespace shoal::test {

// Two leaves, texts in records and a block of its own, a reference.
inline void fill(ListWorld& world) {
  for (int i = 0; i < 2500; ++i) (void)world.append(int_item(i));
  for (int i = 0; i < 20; ++i) (void)world.append(text_item(std::string(20U + 400U * i, 'x')));
  (void)world.writer().insert(0, text_item(std::string(3000, 'y')).value());
  (void)world.append(reference_item(std::uint64_t{1} << 32 | 4));
}

inline void read_everything(ListWorld& world) {
  ListElement element;
  for (const std::int64_t index : {0, 1, 2046, 2500, 2510, -1, -2, 1 << 20}) {
    (void)get(world.list, index, element);
    std::int64_t number = 0;
    (void)get_int(world.list, index, number);
  }
  (void)world.items();
  memory::ReferenceWalk walk;
  std::uint64_t left = std::uint64_t{1} << 30;
  while (walk_references(world.list, walk, left, 64, [](std::uint64_t) {}) ==
         memory::Walked::kMore) {
  }
  (void)verify(world.list);
  for (std::uint32_t part = 0; part < 20; ++part) {
    (void)reaches(world.list, part, world.arena.geometry.chunks + part * 1024);
  }
}

inline void write_everything(ListWorld& world, std::uint64_t draw) {
  const Item items[] = {int_item(1), text_item(std::string(50, 'z')),
                        text_item(std::string(5000, 'z'))};
  const ListValue value = items[draw % 3].value();
  ListElement element;
  const auto change = [&](auto call) {
    memory::Call brief{.caller = world.caller, .timeout_ns = 2'000'000};
    ListWriter writer(world.list, brief);
    (void)call(writer);
  };
  change([&](ListWriter& writer) { return writer.append({&value, 1}); });
  change([&](ListWriter& writer) {
    return writer.set(static_cast<std::int64_t>(draw % 2600), value);
  });
  change([&](ListWriter& writer) { return writer.pop(-1, element); });
  change([&](ListWriter& writer) { return writer.insert(5, value); });
  change([&](ListWriter& writer) { return writer.pop(7, element); });
  change([&](ListWriter& writer) { return writer.erase({.start = 2, .stop = 2400, .step = 3}); });
  change([&](ListWriter& writer) { return writer.reverse(); });
  (void)append_quickly(world.list, world.caller, value.word | 1);
  (void)set_quickly(world.list, world.caller, 3, value.word | 1);
  change([&](ListWriter& writer) { return writer.clear(); });
}

inline void recover(ListWorld& world) {
  for (std::uint16_t slot = 0; slot < 3; ++slot) {
    memory::ThreadRecord& record = world.arena.records[slot];
    (void)world.arena.memory.recover_intents(record, memory::owner_of(slot, 1), world.reaches());
    recover_list(world.list, world.arena.manager, slot);
  }
}

class HostileList {
 public:
  HostileList() : world_(48) {
    fill(world_);
    intact_.assign(world_.arena.bytes.data(),
                   world_.arena.bytes.data() + world_.arena.bytes.size());
    std::memcpy(&descriptor_, &world_.descriptor(), sizeof descriptor_);
  }

  void run(const std::uint8_t* data, std::size_t size) {
    std::memcpy(world_.arena.bytes.data(), intact_.data(), intact_.size());
    std::memcpy(&world_.descriptor(), &descriptor_, sizeof descriptor_);
    const std::uint8_t draw = size == 0 ? 0 : data[0];
    std::size_t at = size == 0 ? 0 : 1;
    // A part of it before each round of calls.
    const std::size_t overwrites = (size - at) / kOverwriteBytes;
    for (std::size_t i = 0; i < overwrites; ++i, at += kOverwriteBytes) {
      overwrite(data + at);
      if (i == overwrites / 2) read_everything(world_);
    }
    recover(world_);
    write_everything(world_, draw);
    read_everything(world_);
  }

 private:
  static constexpr std::size_t kOverwriteBytes = 12;

  void overwrite(const std::uint8_t* input) {
    const std::size_t which = input[1] | std::size_t{input[2]} << 8;
    const memory::Geometry& g = world_.arena.geometry;
    auto* const descriptor = reinterpret_cast<memory::Word64*>(&world_.descriptor());
    const auto spine = memory::ListPlace::of(descriptor[8].load()).place;
    std::uint64_t from = 0;
    switch (input[0] % 5) {
      case 0:
        return store(descriptor[1 + which % 31], input);
      case 1:
        from = spine == 0 ? g.chunks : g.chunks + std::uint64_t{spine - 1} * 256;
        break;
      case 2:
        from = g.chunks + which / 64 % 12 * memory::kChunkBytes;
        break;
      case 3:
        from = g.chunk_table;
        break;
      default:
        from = which / 512 * 4096;
    }
    const std::uint64_t at = (from + which % 512 * 8) % g.file_bytes & ~std::uint64_t{7};
    store(*reinterpret_cast<memory::Word64*>(world_.arena.bytes.data() + at), input);
  }
  // Any word; one bit of it; or one more.
  static void store(memory::Word64& word, const std::uint8_t* input) {
    std::uint64_t value = 0;
    std::memcpy(&value, input + 4, 8);
    const std::uint64_t old = word.load();
    word.store(input[3] % 3 == 0   ? value
               : input[3] % 3 == 1 ? old ^ std::uint64_t{1} << value % 64
                                   : old + value % 16);
  }

  ListWorld world_;
  std::vector<std::byte> intact_;
  memory::Descriptor descriptor_;
};

}  // namespace shoal::test
