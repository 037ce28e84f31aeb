// One object of an arena on a memfd that is mapped twice, at two addresses, as two processes have
// it; and callers of several processes. For unit tests of the algorithms in memory/.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <thread>

#include "memory/caller.h"
#include "memory/futex.h"
#include "memory/object.h"
#include "memory/recover.h"

namespace shoal::memory {

// ThreadSanitizer knows a word by its address: there, all use one mapping.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kOneMapping = true;
#else
inline constexpr bool kOneMapping = false;
#endif

inline constexpr std::int64_t kMillisecond = 1'000'000;
// Long, for what must happen before.
inline Deadline generous() { return monotonic_ns() + 60'000 * kMillisecond; }
inline Deadline brief() { return monotonic_ns() + 2 * kMillisecond; }

inline Caller caller_of(std::uint16_t slot, std::uint32_t thread = 1) {
  Caller caller;
  caller.owner = owner_of(slot, thread);
  return caller;
}

class ObjectMemory {
 public:
  explicit ObjectMemory(ObjectKind kind, std::uint64_t parameter = 0, std::uint16_t flags = 0)
      : fd_(::memfd_create("object", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::ftruncate(fd_, kBytes) != 0) std::abort();
    for (std::byte*& mapping : mappings_) mapping = map(PROT_READ | PROT_WRITE);
    read_only_ = map(PROT_READ);
    lay(kind, parameter, flags);
  }
  ObjectMemory(const ObjectMemory&) = delete;
  ObjectMemory& operator=(const ObjectMemory&) = delete;
  ~ObjectMemory() {
    for (std::byte* mapping : {mappings_[0], mappings_[1], read_only_}) ::munmap(mapping, kBytes);
    ::close(fd_);
  }

  // A new object in the same place.
  void lay(ObjectKind kind, std::uint64_t parameter = 0, std::uint16_t flags = 0,
           std::span<const std::byte> initial = {}) {
    kind_ = kind;
    flags_ = flags;
    parameter_ = parameter;
    block_ = block_bytes(kind, flags, parameter) == 0 ? 0 : kBlock;
    id_ += std::uint64_t{1} << 32;
    std::memset(mappings_[0] + kBlock, 0, kBytes - kBlock);
    NewObject made;
    made.index = static_cast<std::uint32_t>(id_);
    made.id = id_;
    made.kind = kind;
    made.flags = flags;
    made.parameter = parameter;
    made.block = block_;
    made.initial = initial;
    lay_object(mappings_[0], made);
  }

  [[nodiscard]] ObjectView view() const { return view_in(mappings_[0]); }
  // The same object at another address.
  [[nodiscard]] ObjectView other_view() const { return view_in(mappings_[kOneMapping ? 0 : 1]); }
  [[nodiscard]] ObjectView read_only_view() const {
    return view_in(kOneMapping ? mappings_[0] : read_only_);
  }
  [[nodiscard]] Descriptor& descriptor() const { return *view().descriptor; }

  // Anything at all in the descriptor but its id, and in the object's own memory.
  void scribble(std::mt19937_64& random) {
    auto* const words = reinterpret_cast<Word32*>(view().descriptor);
    for (std::size_t i = 2; i < kDescriptorBytes / sizeof(Word32); ++i) {
      words[i].store(some_word(random));
    }
    for (std::size_t at = 0; at + 4 <= view().size && block_ != 0; at += 4) {
      reinterpret_cast<Word32*>(view().bytes + at)->store(some_word(random));
    }
  }

 private:
  static constexpr std::size_t kBlock = kChunkBytes + 4096;
  static constexpr std::size_t kBytes = 3 * kChunkBytes;

  std::byte* map(int protection) const {
    void* const at = ::mmap(nullptr, kBytes, protection, MAP_SHARED, fd_, 0);
    if (at == MAP_FAILED) std::abort();
    return static_cast<std::byte*>(at);
  }
  [[nodiscard]] ObjectView view_in(std::byte* mapping) const {
    return view_of(mapping, id_, kind_, flags_, parameter_, block_);
  }
  // Mostly what looks like something.
  static std::uint32_t some_word(std::mt19937_64& random) {
    switch (random() % 4) {
      case 0:
        return 0;
      case 1:
        return static_cast<std::uint32_t>(random() % 8);
      case 2:
        return owner_of(static_cast<std::uint16_t>(random() % 4), 1) << 2 |
               static_cast<std::uint32_t>(random() % 4);
      default:
        return static_cast<std::uint32_t>(random());
    }
  }

  int fd_;
  std::byte* mappings_[2] = {};
  std::byte* read_only_ = nullptr;
  std::uint64_t id_ = 1;  // index 1
  ObjectKind kind_ = ObjectKind::kLock;
  std::uint16_t flags_ = 0;
  std::uint64_t parameter_ = 0;
  std::uint64_t block_ = 0;
};

// A thread that sleeps in `call`, which notes its waits in the caller's record, and what it gives.
class Sleeper {
 public:
  template <typename Call>
  Sleeper(std::uint16_t slot, Call call) : caller_(caller_of(slot)) {
    std::memset(static_cast<void*>(&record_), 0, sizeof record_);
    caller_.record = &record_;
    caller_.spins_max = 0;
    thread_ = std::thread([this, call] { result_ = call(caller_); });
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (thread_.joinable()) thread_.join();
  }

  // It is about to sleep, or asleep.
  void await_sleep() const {
    while (record_.waiting.load() == 0) std::this_thread::yield();
  }
  Result result() {
    thread_.join();
    return result_;
  }

 private:
  ThreadRecord record_;
  Caller caller_;
  Result result_ = Result::kDone;
  std::thread thread_;
};

// Calls return by their deadlines whatever the bytes say: scribbled before each round, and by a
// thread of its own all the time.
template <typename Calls>
void expect_calls_return(ObjectMemory& memory, int rounds, Calls calls) {
  std::mt19937_64 random(1);
  for (int round = 0; round < rounds; ++round) {
    memory.scribble(random);
    calls();
  }
  std::atomic<bool> over{false};
  std::thread writer([&] {
    std::mt19937_64 others(2);
    while (!over.load(std::memory_order_relaxed)) memory.scribble(others);
  });
  for (int round = 0; round < rounds; ++round) calls();
  over.store(true);
  writer.join();
}

}  // namespace shoal::memory
