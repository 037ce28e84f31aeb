// A List whose bytes may be anything: every call on it ends and touches nothing outside its arena,
// which lies between pages that nobody may touch.
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "memory/futex.h"
#include "tests/unit/list_container_memory.h"

namespace shoal::test {
namespace {

class Damaged {
 public:
  explicit Damaged(std::uint64_t seed) : world(48), random_(seed) {
    for (int i = 0; i < 2500; ++i) (void)world.append(int_item(i));
    for (int i = 0; i < 20; ++i) (void)world.append(text_item(std::string(20U + 400U * i, 'x')));
    (void)world.writer().insert(0, text_item(std::string(3000, 'y')).value());
    (void)world.append(reference_item(std::uint64_t{1} << 32 | 4));
    intact_.assign(world.arena.bytes.data(), world.arena.bytes.data() + world.arena.bytes.size());
    std::memcpy(&descriptor_, &world.descriptor(), sizeof descriptor_);
  }

  void restore() {
    std::memcpy(world.arena.bytes.data(), intact_.data(), intact_.size());
    std::memcpy(&world.descriptor(), &descriptor_, sizeof descriptor_);
  }

  // Some words of the descriptor, of a block of the list, or of anything.
  void scribble(int words) {
    for (int i = 0; i < words; ++i) {
      auto* const descriptor = reinterpret_cast<memory::Word64*>(&world.descriptor());
      const std::uint64_t where = random_() % 4;
      if (where == 0) {
        descriptor[1 + random_() % 31].store(some_word());
      } else {
        const std::uint64_t in_use = std::uint64_t{12} * memory::kChunkBytes;
        const std::uint64_t at =
            where == 1 ? random_() % world.arena.bytes.size()
                       : world.arena.geometry.chunks + random_() % (random_() % 4 ? in_use : 4096);
        reinterpret_cast<memory::Word64*>(world.arena.bytes.data())[at / 8].store(some_word());
      }
    }
  }

  ListWorld world;

 private:
  std::uint64_t some_word() {
    const auto& list = reinterpret_cast<memory::ListDescriptor&>(world.descriptor());
    switch (random_() % 8) {
      case 0:
        return 0;
      case 1:
        return random_() % 4096;
      case 2:  // a place, of the list or any other
        return memory::ListPlace{static_cast<std::uint32_t>(random_()),
                                 static_cast<std::uint32_t>(random_() % 20'000),
                                 static_cast<unsigned>(random_() % 16)}
            .word();
      case 3:
        return list.root.load() + (std::uint64_t{1} << 33);
      case 4:
        return memory::LargePlace{static_cast<std::uint32_t>(random_() % 20'000),
                                  static_cast<unsigned>(random_() % 8)}
            .word(random_());
      case 5:
        return memory::record_word(static_cast<std::uint32_t>(random_() % 70'000));
      case 6:
        return list.root.load();
      default:
        return random_();
    }
  }

  std::mt19937_64 random_;
  std::vector<std::byte> intact_;
  memory::Descriptor descriptor_;
};

void read_everything(ListWorld& world) {
  ListElement element;
  for (const std::int64_t index : {0, 1, 2046, 2500, 2510, -1, -2, 1 << 20}) {
    (void)get(world.list, index, element);
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

void write_everything(ListWorld& world, std::uint64_t draw) {
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

void recover(ListWorld& world) {
  for (std::uint16_t slot = 0; slot < 3; ++slot) {
    memory::ThreadRecord& record = world.arena.records[slot];
    (void)world.arena.memory.recover_intents(record, memory::owner_of(slot, 1), world.reaches());
    recover_list(world.list, world.arena.manager, slot);
  }
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 60;
#else
constexpr int kRounds = 600;
#endif

TEST(ListContainerDamage, EveryCallEndsWhateverTheBytesSay) {
  Damaged damaged(1);
  for (int round = 0; round < kRounds; ++round) {
    damaged.restore();
    damaged.scribble(1 + round % 40);
    read_everything(damaged.world);
    recover(damaged.world);
    write_everything(damaged.world, static_cast<std::uint64_t>(round));
    recover(damaged.world);
    read_everything(damaged.world);
  }
}

TEST(ListContainerDamage, AndWhileTheyChange) {
  Damaged damaged(2);
  std::atomic<bool> over{false};
  std::thread scribbler([&] {
    for (int i = 0; !over.load(); ++i) {
      if (i % 64 == 0) damaged.restore();
      damaged.scribble(4);
    }
  });
  for (int round = 0; round < kRounds / 4; ++round) {
    read_everything(damaged.world);
    write_everything(damaged.world, static_cast<std::uint64_t>(round));
    recover(damaged.world);
  }
  over.store(true);
  scribbler.join();
}

}  // namespace
}  // namespace shoal::test
