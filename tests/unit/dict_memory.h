// A dict in an arena of its own, mapped twice, as two processes have it; for tests of memory/dict*.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "memory/arena.h"
#include "memory/containers.h"
#include "memory/dict.h"
#include "memory/recover.h"

namespace shoal::test {

inline constexpr std::uint8_t kText = 5;
inline constexpr std::uint8_t kNumber = 2;
inline constexpr std::int64_t kPatienceNs = 60'000'000'000;

class DictMemory {
 public:
  explicit DictMemory(std::uint64_t arena_bytes = std::uint64_t{256} << 20,
                      std::uint64_t quota_chunks = 1 << 20)
      : geometry_(memory::Geometry::of(arena_bytes)), fd_(::memfd_create("dict", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(geometry_.file_bytes)) != 0) std::abort();
    for (std::byte*& at : mappings_) at = map(PROT_READ | PROT_WRITE);
    read_only_ = map(PROT_READ);
    memory::lay_arena(
        mappings_[0],
        {.layout = 1, .bytes = arena_bytes, .id = 1, .manager = 1, .quota_chunks = quota_chunks});
    lay();
    for (std::size_t i = 0; i < 2; ++i) {
      allocators_[i].emplace(mappings_[i], geometry_, memory::Commit{});
      dicts_[i] = std::make_unique<memory::Dict>(view(mappings_[i]), mappings_[i], geometry_,
                                                 &*allocators_[i]);
    }
    reader_ = std::make_unique<memory::Dict>(view(read_only_), read_only_, geometry_, nullptr);
  }
  DictMemory(const DictMemory&) = delete;
  DictMemory& operator=(const DictMemory&) = delete;
  ~DictMemory() {
    for (std::byte* at : {mappings_[0], mappings_[1], read_only_}) {
      ::munmap(at, geometry_.file_bytes);
    }
    ::close(fd_);
  }

  [[nodiscard]] memory::Dict& dict(std::size_t i = 0) {
#if defined(__SANITIZE_THREAD__)
    i = 0;  // it knows a word by its address
#endif
    return *dicts_[i];
  }
  [[nodiscard]] memory::Dict& reader() {
#if defined(__SANITIZE_THREAD__)
    return *dicts_[0];
#else
    return *reader_;
#endif
  }
  [[nodiscard]] memory::ArenaMemory& allocator() { return *allocators_[0]; }
  [[nodiscard]] std::byte* bytes() { return mappings_[0]; }
  [[nodiscard]] const memory::Geometry& geometry() const { return geometry_; }
  [[nodiscard]] memory::ObjectView view() const { return view(mappings_[0]); }
  [[nodiscard]] memory::ContainerHome home() {
    return {.arena = mappings_[0], .geometry = geometry_, .allocator = &*allocators_[0]};
  }

  // What belongs to the dict is what its root words name, no less and no more.
  [[nodiscard]] std::uint64_t owned_bytes() { return allocator().usage(kIndex).owned_bytes(); }

 private:
  static constexpr std::uint32_t kIndex = 7;
  static constexpr std::uint64_t kId = std::uint64_t{3} << 32 | kIndex;

  std::byte* map(int protection) const {
    void* at =
        ::mmap(nullptr, geometry_.file_bytes, protection, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    if (at == MAP_FAILED) std::abort();
    return static_cast<std::byte*>(at);
  }
  [[nodiscard]] memory::ObjectView view(std::byte* at) const {
    return memory::view_of(at, kId, memory::ObjectKind::kDict, 0, 0, 0);
  }
  void lay() {
    memory::NewObject made;
    made.index = kIndex;
    made.id = kId;
    made.kind = memory::ObjectKind::kDict;
    made.seed = 0x1234567890abcdef;
    memory::lay_object(mappings_[0], made);
  }

  memory::Geometry geometry_;
  int fd_;
  std::byte* mappings_[2] = {};
  std::byte* read_only_ = nullptr;
  std::optional<memory::ArenaMemory> allocators_[2];
  std::unique_ptr<memory::Dict> dicts_[2];
  std::unique_ptr<memory::Dict> reader_;
};

// A process: its slot, and the record of its one thread.
struct Process {
  explicit Process(std::uint16_t slot) {
    std::memset(static_cast<void*>(&record), 0, sizeof record);
    caller.owner = memory::owner_of(slot, 1);
    caller.record = &record;
  }
  memory::ThreadRecord record;
  memory::Caller caller;
};

inline void expect_sound(DictMemory& memory) {
  memory::DictStat stat;
  std::string wrong;
  EXPECT_TRUE(memory.reader().verify(stat, [&](const std::string& what) { wrong += what + "\n"; }))
      << wrong;
  EXPECT_EQ(stat.entries, memory.reader().size());
}

// Texts in, texts out.
class TextDict {
 public:
  TextDict(memory::Dict& dict, memory::Caller& caller) : dict_(dict), caller_(caller) {}

  memory::Result put(std::string_view key, std::string_view value) {
    memory::Call call{.caller = caller_, .timeout_ns = kPatienceNs};
    return dict_.put(call, dict_.key(kText, key),
                     {.data = value.data(), .bytes = value.size(), .kind = kText});
  }
  memory::Result put_if_absent(std::string_view key, std::string_view value) {
    using memory::DictDecision;
    memory::Call call{.caller = caller_, .timeout_ns = kPatienceNs};
    const memory::DictValue stored{.data = value.data(), .bytes = value.size(), .kind = kText};
    return dict_.change(call, dict_.key(kText, key), [&](const memory::StoredValue* found) {
      if (found != nullptr) return DictDecision{.result = memory::Result::kPresent};
      return DictDecision{.what = DictDecision::What::kPut, .value = &stored};
    });
  }
  memory::Result put_number(std::string_view key, std::int64_t value) {
    memory::Call call{.caller = caller_, .timeout_ns = kPatienceNs};
    return dict_.put(call, dict_.key(kText, key), {.data = &value, .bytes = 8, .kind = kNumber});
  }
  memory::Result erase(std::string_view key) {
    memory::Call call{.caller = caller_, .timeout_ns = kPatienceNs};
    return dict_.erase(call, dict_.key(kText, key));
  }
  std::optional<std::string> get(std::string_view key) { return get(dict_, key); }
  static std::optional<std::string> get(const memory::Dict& dict, std::string_view key) {
    std::string found;
    const memory::Result result =
        dict.find(dict.key(kText, key), kPatienceNs, [&](const memory::StoredValue& value) {
          found.resize(value.bytes);
          memory::copy_out(found.data(), value.data, value.bytes);
        });
    if (result == memory::Result::kDone) return found;
    if (result != memory::Result::kAbsent) std::abort();
    return std::nullopt;
  }

 private:
  memory::Dict& dict_;
  memory::Caller& caller_;
};

}  // namespace shoal::test
