// A List whose bytes may be anything: every call on it ends and touches nothing outside its arena,
// which lies between pages that nobody may touch.
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "memory/futex.h"
#include "tests/unit/list_hostile.h"

namespace shoal::test {
namespace {

class Damaged {
 public:
  explicit Damaged(std::uint64_t seed) : world(48), random_(seed) {
    fill(world);
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
