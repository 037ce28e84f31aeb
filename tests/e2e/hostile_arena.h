// How a hostile process gets at the bytes of its arena, and what its victims do meanwhile.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "memory/layout.h"
#include "memory/session_page.h"
#include "tests/e2e/sync.h"

namespace shoal::e2e {

struct Record {
  std::array<long, 10> numbers = {};
};
SHOAL_TYPE(Record, "shoal.test.record", 1);

using memory::Geometry;
using Bytes = std::span<std::byte>;
using Random = std::mt19937_64;

inline constexpr absl::Duration kBrief = absl::Milliseconds(2);

// The shared mapping of this process that `wanted` accepts. A forked child has those of its parent,
// too.
inline Bytes find_mapping(const std::function<bool(Bytes)>& wanted) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::string rights;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> rights;
    const Bytes bytes(reinterpret_cast<std::byte*>(begin), end - begin);
    if (rights == "rw-s" && wanted(bytes)) return bytes;
  }
  throw std::runtime_error("no such mapping");
}

// The arena that an object's bytes lie in.
inline Bytes arena_around(const void* bytes) {
  const auto* at = static_cast<const std::byte*>(bytes);
  return find_mapping(
      [&](Bytes mapping) { return mapping.data() <= at && at < mapping.data() + mapping.size(); });
}

inline Bytes own_session_page() {
  return find_mapping([](Bytes mapping) {
    const auto* page = reinterpret_cast<const memory::SessionPage*>(mapping.data());
    return page->magic == memory::kSessionPageMagic &&
           page->pid == static_cast<std::uint32_t>(::getpid());
  });
}

// The arena as an attacker sees it: the parts that are in use by few objects.
class Target {
 public:
  // The arena that these bytes lie in.
  explicit Target(const void* bytes) : arena_(arena_around(bytes)) {
    const auto* header = reinterpret_cast<const memory::ArenaHeader*>(arena_.data());
    EXPECT_EQ(header->magic, memory::kArenaMagic);
    geometry_ = Geometry::of(header->arena_bytes);
    for (const Bytes part : parts()) before_.emplace_back(part.begin(), part.end());
  }

  // Valid again, as it was at first: else there would soon be no object left to strike.
  void restore() const {
    const std::vector<Bytes> now = parts();
    for (std::size_t i = 0; i < now.size(); ++i) std::ranges::copy(before_[i], now[i].begin());
  }

  [[nodiscard]] Bytes header() const { return part(0, sizeof(memory::ArenaHeader)); }
  [[nodiscard]] Bytes descriptors() const {
    return part(Geometry::kObjectTable, kObjects * memory::kDescriptorBytes);
  }
  [[nodiscard]] memory::Descriptor& descriptor(std::size_t index) const {
    return *reinterpret_cast<memory::Descriptor*>(
        descriptors().subspan(index * memory::kDescriptorBytes).data());
  }
  [[nodiscard]] Bytes chunk_table() const { return part(geometry_.chunk_table, kChunks * 8); }
  [[nodiscard]] Bytes cell_table() const {
    return part(geometry_.cell_table, kChunks * memory::kCellsPerChunkMax * 8);
  }
  [[nodiscard]] Bytes chunks() const {
    return part(geometry_.chunks, kChunks * memory::kChunkBytes);
  }
  // All that may be struck.
  [[nodiscard]] std::vector<Bytes> parts() const {
    return {header(), descriptors(), chunk_table(), cell_table(), chunks()};
  }

  static constexpr std::size_t kObjects = 48;
  static constexpr std::size_t kChunks = 4;

 private:
  [[nodiscard]] Bytes part(std::uint64_t at, std::uint64_t size) const {
    return arena_.subspan(at, size);
  }

  Bytes arena_;
  Geometry geometry_{};
  std::vector<std::vector<std::byte>> before_;
};

// Values that break things.
inline std::uint64_t nasty(Random& random) {
  const std::uint64_t any = random();
  constexpr std::array<std::uint64_t, 12> kValues = {0,
                                                     1,
                                                     2,
                                                     3,
                                                     0x7fffffff,
                                                     0x80000000,
                                                     0xffffffff,
                                                     0xffff0000,
                                                     0x3fffffff,
                                                     UINT64_MAX,
                                                     std::uint64_t{1} << 63,
                                                     0xfffffffffffffff0};
  const std::size_t which = any % (kValues.size() + 3);
  return which < kValues.size() ? kValues[which] : random() >> (any >> 58);
}

inline void scribble(Bytes bytes, Random& random) {
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
}

inline void write_word(Bytes bytes, std::size_t at, std::size_t size, std::uint64_t value) {
  at = at % (bytes.size() / size) * size;
  if (size == 8) {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(&bytes[at])).store(value);
  } else if (size == 4) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(&bytes[at]))
        .store(static_cast<std::uint32_t>(value));
  } else {
    std::atomic_ref(*reinterpret_cast<std::uint16_t*>(&bytes[at]))
        .store(static_cast<std::uint16_t>(value));
  }
}

inline void punch(Bytes bytes) {
  const auto page = reinterpret_cast<std::uintptr_t>(bytes.data()) & ~std::uintptr_t{4095};
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
  if (::madvise(reinterpret_cast<void*>(page), (end - page + 4095) & ~std::uintptr_t{4095},
                MADV_REMOVE) != 0) {
    throw std::runtime_error("cannot punch a hole");
  }
}

// Everything that can be called, each with a deadline. Proxies of one session.
class Everything {
 public:
  // Under names: made by whoever comes first. Without containers nothing in the arena is freed, and
  // the manager has nothing to tidy there later.
  explicit Everything(const Client& client, bool has_containers = true)
      : lock_(must(client.open_or_create<Lock>("lock"))),
        rlock_(must(client.open_or_create<RLock>("rlock"))),
        shared_(must(client.open_or_create<SharedLock>("shared"))),
        many_readers_(must(client.open_or_create<SharedLock>("readers", {.readers = 200}))),
        owned_(must(client.open_or_create<Semaphore>("owned", {.permits = 3}))),
        many_(must(client.open_or_create<Semaphore>("many", {.permits = 500}))),
        plain_(must(client.open_or_create<BoundedSemaphore>(
            "plain", {.permits = 3, .ownership = Permits::kPlain}))),
        condition_(must(client.open_or_create<Condition>("condition"))),
        event_(must(client.open_or_create<Event>("event"))),
        barrier_(must(client.open_or_create<Barrier>("barrier", {.parties = 2}))),
        cell_(must(client.open_or_create<Cell<long>>("cell"))),
        record_(must(client.open_or_create<Cell<Record>>("record"))),
        array_(must(client.open_or_create<Array<long>>("array", {.size = 1000}))),
        client_(client) {
    if (!has_containers) return;
    dict_ = must(client.open_or_create<Dict>("dict"));
    typed_ = must(client.open_or_create<TypedDict<long, Record>>("typed"));
    names_ = must(client.open_or_create<Namespace>("names"));
    list_ = must(client.open_or_create<List>("list"));
    // Something to strike, of each size that values come in.
    for (long i = 0; i < 30; ++i) {
      (void)dict_.put(i, std::string(static_cast<std::size_t>(i) * 10, 'x'));
      (void)typed_.put(i, Record());
      (void)list_.append(std::string(static_cast<std::size_t>(i) * 10, 'x'));
    }
    (void)dict_.put("large", std::string(5000, 'x'));
    (void)dict_.put("list", reference_to(list_));
    (void)names_.set("name", 1);
    (void)list_.append(std::string(5000, 'x'));
  }

  static constexpr int kCalls = 18;

  [[nodiscard]] const void* bytes() const { return array_.data().data(); }

  // So that there is something to recover.
  void hold() const {
    (void)lock_.acquire(kBrief);
    (void)rlock_.acquire(kBrief);
    (void)many_readers_.acquire_shared(kBrief);
    (void)owned_.acquire(kBrief);
    (void)many_.acquire(kBrief);
    (void)barrier_.wait(kBrief);
  }

  void call(Random& random) const {
    switch (random() % kCalls) {
      case 0:
        return take(lock_);
      case 1:
        return take(rlock_);
      case 2:
        return take(random() % 2 == 0 ? shared_ : many_readers_);
      case 3:
        return read(random() % 2 == 0 ? shared_ : many_readers_);
      case 4:
        return permits(random() % 2 == 0 ? owned_ : many_);
      case 5:
        return permits(plain_);
      case 6:
        return notify(random);
      case 7:
        return events(random);
      case 8:
        return meet(random);
      case 9:
        return cells(random);
      case 10:
        return array(random);
      case 11:
      case 12:
        return change_dict(random);
      case 13:
        return read_dict(random);
      case 14:
      case 15:
        return use_list(random);
      case 16:
        return transact(random);
      default:
        return take(random() % 2 == 0 ? cell_.lock() : array_.lock());
    }
  }

 private:
  template <class L>
  static void take(const L& lock) {
    const auto acquired = lock.acquire(kBrief);
    (void)lock.locked();
    if (acquired.ok() && acquired->abandoned) (void)lock.mark_consistent();
    (void)lock.abandoned();
    (void)lock.release();
  }
  static void read(const SharedLock& lock) {
    (void)lock.acquire_shared(kBrief);
    (void)lock.readers();
    (void)lock.release_shared();
  }
  template <class S>
  static void permits(const S& semaphore) {
    (void)semaphore.acquire(kBrief);
    (void)semaphore.value();
    (void)semaphore.release();
    (void)semaphore.release(2);
  }
  void notify(Random& random) const {
    if (random() % 2 == 0) {
      (void)condition_.notify();
      (void)condition_.notify_all();
      (void)condition_.waiters();
      return;
    }
    // Taking its lock again has no deadline, so with another lock than its own.
    std::mutex mutex;
    const std::scoped_lock guard(mutex);
    (void)condition_.wait(mutex, kBrief);
  }
  void events(Random& random) const {
    if (random() % 2 == 0) (void)event_.set();
    (void)event_.wait(kBrief);
    if (random() % 2 == 0) (void)event_.clear();
    (void)event_.is_set();
  }
  void meet(Random& random) const {
    (void)barrier_.wait(kBrief, [] {});
    if (random() % 2 == 0) (void)barrier_.reset();
    (void)barrier_.n_waiting();
    (void)barrier_.parties();
  }
  void cells(Random& random) const {
    (void)cell_.fetch_add(1);
    (void)cell_.wait(static_cast<long>(random() % 3), kBrief);
    (void)cell_.notify();
    Record record;
    record.numbers.fill(static_cast<long>(random() % 3));
    (void)record_.store(record);
    (void)record_.load();
    (void)record_.wait(record, kBrief);
    (void)record_.notify();
  }
  void array(Random& random) const {
    (void)array_.set(static_cast<std::ptrdiff_t>(random() % 1100), 1);
    (void)array_.get(-static_cast<std::ptrdiff_t>(random() % 1100));
    for (long& value : array_.data()) value += 1;
  }

  void change_dict(Random& random) const {
    const auto key = static_cast<std::int64_t>(random() % 40);
    const std::string text(random() % 3000, 'y');
    switch (random() % 10) {
      case 0:
        return (void)dict_.erase(key);
      case 1:
        return (void)dict_.pop(key);
      case 2:
        return (void)dict_.get_or_insert(key, text);
      case 3:
        return (void)dict_.compare_and_swap(key, Value(1), Value(text));
      case 4:
        return (void)dict_.increment("count");
      case 5:
        return (void)dict_.update({{Value(key), Value(1)}, {Value(key + 1), Value(text)}});
      case 6:
        return (void)(random() % 8 == 0 ? dict_.clear() : dict_.pop_item().status());
      case 7:
        (void)typed_.put(key, Record());
        (void)typed_.get_or_insert(key + 1, Record());
        (void)typed_.update({{.key = key, .value = Record()}, {.key = key + 3, .value = Record()}});
        return (void)typed_.erase(key + 2);
      case 8:
        return (void)names_.set(std::to_string(key), text);
      default:
        return (void)dict_.put(key, text);
    }
  }
  void read_dict(Random& random) const {
    const auto key = static_cast<std::int64_t>(random() % 40);
    (void)dict_.get(key);
    (void)dict_.contains(key);
    (void)dict_.size();
    (void)dict_.visit(key, [](ValueKind, std::span<const std::byte>) {});
    (void)dict_.view("large");
    (void)typed_.get(key);
    (void)typed_.watch(key, Record(), kBrief);
    if (random() % 8 == 0) (void)typed_.items();
    (void)names_.names();
    (void)dict_.watch(key, Value(1), kBrief);
    if (random() % 8 == 0) (void)dict_.items();
    if (random() % 8 == 0) (void)dict_.verify();
    if (const auto list = dict_.get("list"); list.ok()) (void)client_.open<List>(*list);
  }
  void use_list(Random& random) const {
    const auto index = static_cast<std::ptrdiff_t>(random() % 60);
    switch (random() % 10) {
      case 0:
        return (void)list_.set(index, std::string(random() % 3000, 'z'));
      case 1:
        return (void)list_.insert(index, 7);
      case 2:
        return (void)list_.pop();
      case 3:
        return (void)list_.extend({1, 2.5, "text"});
      case 4:
        return (void)(random() % 2 == 0 ? list_.sort() : list_.reverse());
      case 5:
        return (void)list_.erase_slice({.start = index});
      case 6:
        return (void)list_.items();
      case 7:
        return (void)list_.verify();
      case 8:
        (void)list_.get(index);
        return (void)list_.size();
      default:
        return (void)list_.append(std::string(random() % 300, 'z'));
    }
  }
  void transact(Random& random) const {
    const auto key = static_cast<std::int64_t>(random() % 40);
    (void)client_.transact([&](Transaction& t) {
      (void)t.get(dict_, key);
      if (absl::Status status = t.put(dict_, key, 1); !status.ok()) return status;
      (void)t.append(list_, 1);
      (void)t.put(typed_, key, Record());
      return t.store(cell_, 1);
    });
    (void)client_.read_transaction([&](ReadTransaction& t) {
      (void)t.get(list_, 0);
      (void)t.get(typed_, key);
      return t.get(dict_, key).status();
    });
  }

  Lock lock_;
  RLock rlock_;
  SharedLock shared_;
  SharedLock many_readers_;
  Semaphore owned_;
  Semaphore many_;
  BoundedSemaphore plain_;
  Condition condition_;
  Event event_;
  Barrier barrier_;
  Cell<long> cell_;
  Cell<Record> record_;
  Array<long> array_;
  Client client_;
  Dict dict_;
  TypedDict<long, Record> typed_;
  Namespace names_;
  List list_;
};

}  // namespace shoal::e2e
