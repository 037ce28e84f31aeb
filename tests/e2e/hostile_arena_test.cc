// A process that may write an arena puts anything into it, while others work there with deadlines:
// nobody crashes, nobody hangs past his deadline, the manager stays up, and another arena stays as
// it was, bit for bit. What the calls return is of no matter.
#include "tests/e2e/hostile_arena.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

constexpr int kWorkers = 3;

// Counts of the workers' calls, in memory of the test's own.
struct Progress {
  std::array<std::atomic<long>, kWorkers + 1> calls;
  std::atomic<bool> over;
};

class HostileArena : public Sync {
 protected:
  HostileArena()
      : progress_(static_cast<Progress*>(::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                                                MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    std::cout << "seed " << seed_ << '\n';
    must(client_.arena("other").create());
    other_ = std::make_unique<Client>(manager_.client({.arena = "other"}));
    quiet_ = std::make_unique<Everything>(*other_, /*has_containers=*/false);
    Random random(seed_);
    for (int i = 0; i < 100; ++i) quiet_->call(random);
    quiet_array_ = must(other_->create<Array<long>>("pattern", {.size = 50'000}));
    long next = 0;
    for (long& value : quiet_array_.data()) value = ++next;
    // The victims' objects exist before the first blow.
    const Everything victims(manager_.client());
  }
  ~HostileArena() override { ::munmap(progress_, sizeof(Progress)); }

  // The used parts of the other arena.
  static std::string bytes_of(const std::vector<Bytes>& parts) {
    std::string all;
    for (const Bytes part : parts) {
      all.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    return all;
  }

  // One that calls whatever there is until it is told to stop.
  Child worker(int number, bool controls) {
    return Child([this, number, controls](Channel& parent) {
      const Client client = manager_.client(
          {.control_timeout = absl::Seconds(5), .op_timeout = absl::Milliseconds(20)});
      const Everything everything(client);
      parent.say("ready");
      Random random(seed_ + static_cast<unsigned>(number));
      while (!progress_->over.load()) {
        everything.call(random);
        if (controls) {
          // The manager takes and gives memory of the arena meanwhile.
          (void)client.create<Array<long>>({.size = 1 + random() % 20'000});
          (void)client.create<Semaphore>({.permits = 1000});
          (void)client.create<Lock>();
        }
        progress_->calls[static_cast<std::size_t>(number)].fetch_add(1);
      }
      return std::string("worked");
    });
  }

  // `blow` is struck so many times by a process of its own, in the middle of the others' work.
  void attack(int times, const std::function<void(const Target&, Random&)>& blow) {
    const std::vector<Bytes> parts = Target(quiet_array_.data().data()).parts();
    const std::string before = bytes_of(parts);
    std::vector<Child> workers;
    for (int i = 0; i < kWorkers; ++i) workers.push_back(worker(i, i == 0));
    for (Child& each : workers) ASSERT_EQ(each.hear(), "ready");
    Child attacker([&](Channel& parent) {
      const Everything everything(manager_.client());
      everything.hold();
      const Target target(everything.bytes());
      Random random(seed_);
      for (int i = 0; i < times; ++i) {
        if (random() % 16 == 0) target.restore();
        blow(target, random);
        if (random() % 4 == 0) ::usleep(300);
        progress_->calls[kWorkers].fetch_add(1);
      }
      parent.say("struck");
      ::pause();
      return std::string();
    });
    EXPECT_EQ(attacker.hear(), "struck");
    attacker.kill();  // with all that it holds
    for (int i = 0; i < kWorkers; ++i) {
      EXPECT_GT(progress_->calls[static_cast<std::size_t>(i)].load(), 0) << "worker " << i;
    }
    // After the last blow everybody still gets on with what is left.
    for (int i = 0; i < kWorkers; ++i) {
      auto& calls = progress_->calls[static_cast<std::size_t>(i)];
      const long now = calls.load();
      EXPECT_TRUE(wait_until([&] { return calls.load() > now + 3; })) << "worker " << i << " hangs";
    }
    // One dies among these ruins, to be recovered; the others end in order.
    workers.back().kill();
    workers.pop_back();
    progress_->over = true;
    for (Child& each : workers) EXPECT_EQ(each.result(), "worked");
    expect_others_well(before, parts);
  }

  void expect_others_well(const std::string& before, const std::vector<Bytes>& parts) {
    must(manager_.admin().manager());
    EXPECT_TRUE(bytes_of(parts) == before) << "the other arena was changed";
    const Client fresh = manager_.client({.arena = "other"});
    const Array<long> array = must(fresh.open<Array<long>>("pattern"));
    long next = 0;
    for (const long value : array.data()) {
      if (value != ++next) {
        ADD_FAILURE() << "element " << next << " of the other arena is " << value;
        break;
      }
    }
    const Lock lock = must(fresh.create<Lock>());
    EXPECT_EQ(code(lock.acquire(kLong)), "OK");
    EXPECT_EQ(code(lock.release()), "OK");
    EXPECT_EQ(manager_.stop(), 0) << manager_.log();
  }

  const unsigned seed_ = std::random_device()();
  Progress* progress_;
  std::unique_ptr<Client> other_;
  std::unique_ptr<Everything> quiet_;
  Array<long> quiet_array_;
};

TEST_F(HostileArena, RandomBytesEverywhere) {
  attack(2000, [](const Target& target, Random& random) {
    for (const Bytes part : target.parts()) {
      const std::size_t at = random() % part.size();
      scribble(part.subspan(at, std::min<std::size_t>(part.size() - at, random() % 3000)), random);
    }
  });
}

TEST_F(HostileArena, RandomBytesInDescriptorsAlone) {
  attack(6000, [](const Target& target, Random& random) {
    const Bytes part = target.descriptors();
    const std::size_t at = random() % part.size();
    scribble(part.subspan(at, std::min<std::size_t>(part.size() - at, random() % 600)), random);
  });
}

TEST_F(HostileArena, SingleFieldsOfValidObjects) {
  attack(6000, [](const Target& target, Random& random) {
    const Bytes object = target.descriptors().subspan(
        random() % Target::kObjects * memory::kDescriptorBytes, memory::kDescriptorBytes);
    const std::size_t size = std::size_t{2} << random() % 3;
    // All but the id, mostly: without it, nothing else is looked at.
    const std::size_t from = random() % 16 == 0 ? 0 : 8;
    const Bytes rest = object.subspan(from);
    std::array<std::byte, memory::kDescriptorBytes> before;
    std::ranges::copy(object, before.begin());
    write_word(rest, random(), size, nasty(random));
    ::usleep(static_cast<useconds_t>(random() % 300));
    // Valid again, more often than not, for the next one to be single.
    if (random() % 4 != 0) std::ranges::copy(before, object.begin());
  });
}

TEST_F(HostileArena, LockWordsAndEventcounts) {
  attack(4000, [](const Target& target, Random& random) {
    memory::Descriptor& object = target.descriptor(1 + random() % (Target::kObjects - 1));
    switch (random() % 5) {
      case 0:
        return object.lock.store(static_cast<std::uint32_t>(nasty(random)));
      case 1:
        return object.event.store(static_cast<std::uint32_t>(nasty(random)));
      case 2:
        return object.depth.store(static_cast<std::uint32_t>(nasty(random)));
      case 3:
        return object.value.store(nasty(random));
      default:
        return object.hint.store(static_cast<std::uint32_t>(nasty(random)));
    }
  });
}

TEST_F(HostileArena, ChunkTableCellTableAndHeader) {
  attack(3000, [](const Target& target, Random& random) {
    const std::array<Bytes, 4> parts = {target.chunk_table(), target.cell_table(), target.header(),
                                        target.header().subspan(128)};
    const Bytes part = parts[random() % parts.size()];
    write_word(part, random() % 64, 8, nasty(random));
    if (random() % 16 == 0) scribble(target.chunk_table(), random);
  });
}

TEST_F(HostileArena, BlocksOfObjects) {
  attack(3000, [](const Target& target, Random& random) {
    const Bytes part = target.chunks();
    const std::size_t at = random() % part.size();
    scribble(part.subspan(at, std::min<std::size_t>(part.size() - at, random() % 5000)), random);
  });
}

TEST_F(HostileArena, PunchedHoles) {
  attack(3000, [](const Target& target, Random& random) {
    const std::vector<Bytes> parts = target.parts();
    punch(parts[random() % parts.size()]);
  });
}

TEST_F(HostileArena, ClosedAndOpenedAgain) {
  attack(3000, [](const Target& target, Random& random) {
    auto* header = reinterpret_cast<memory::ArenaHeader*>(target.header().data());
    header->closed.store(static_cast<std::uint32_t>(random() % 2));
    header->quota_chunks.store(nasty(random));
    header->used_chunks.store(nasty(random));
    header->highest_chunk.store(static_cast<std::uint32_t>(nasty(random)));
    header->chunk_hint.store(static_cast<std::uint32_t>(nasty(random)));
    for (auto& hint : header->cell_hints) hint.store(static_cast<std::uint32_t>(nasty(random)));
  });
}

// Its own session page is what the manager and tools read of a process.
TEST_F(HostileArena, SessionPage) {
  attack(3000, [](const Target&, Random& random) {
    static const Bytes page = own_session_page();
    const Bytes rest = page.first(64 * sizeof(memory::ThreadRecord));
    if (random() % 4 == 0) {
      scribble(rest, random);
    } else {
      write_word(rest, random(), 8, nasty(random));
    }
    if (random() % 32 == 0) punch(page.first(4096));
  });
}

}  // namespace
}  // namespace shoal::e2e
