// See memory.h.
#include "reference/memory.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "reference/work.h"

namespace reference {

SharedMapping::SharedMapping(std::size_t bytes) : bytes_(bytes) {
  void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (start == MAP_FAILED) give_up("mmap", std::strerror(errno));
  start_ = static_cast<char*>(start);
}

SharedMapping::~SharedMapping() { ::munmap(start_, bytes_); }

namespace {

class CopyBulk final : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      for (const SharedMapping& target : targets_) sum += put_bulk(target.data());
    }
    return sum;
  }

  std::uint64_t digest() override {
    std::uint64_t sum = 0;
    for (const SharedMapping& target : targets_) sum += fold_words(target.data(), kBulkBytes);
    return sum;
  }

 private:
  struct Target : SharedMapping {
    Target() : SharedMapping(kBulkBytes) {}
  };
  std::array<Target, kBulkTargets> targets_;
};

// A list's mapping, kept until the end of the process so that every repetition has pages of its
// own. A store may hold up a load of other memory whose physical address is alike in its low 20
// bits, which made a copy three times slower; mapped and unmapped in turn, the same few pages come
// back each time.
char* list_mapping(std::size_t bytes) {
  static std::vector<std::unique_ptr<SharedMapping>> kept;
  kept.push_back(std::make_unique<SharedMapping>(bytes));
  return kept.back()->data();
}

class CopyIntOut final : public Side {
 public:
  CopyIntOut() : list_(list_mapping(kListSize * 8)) {
    for (std::size_t i = 0; i < kListSize; ++i) {
      const std::int64_t value = initial_int(i);
      std::memcpy(list_ + i * 8, &value, 8);
    }
  }

  std::uint64_t run(std::uint64_t rounds) override {
    char* const list = list_;
    std::uint64_t sum = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      list_round([&](std::size_t, std::size_t index) {
        std::int64_t value;
        std::memcpy(&value, list + index * 8, 8);
        sum += static_cast<std::uint64_t>(value);
        keep(sum);
      });
    }
    return sum;
  }

 private:
  char* list_;
};

class CopyIntIn final : public Side {
 public:
  CopyIntIn() : list_(list_mapping(kListSize * 8)) {}

  std::uint64_t run(std::uint64_t rounds) override {
    char* const list = list_;
    std::uint64_t sum = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      list_round([&](std::size_t i, std::size_t index) {
        const std::int64_t value = written_int(i);
        std::memcpy(list + index * 8, &value, 8);
        touch_memory();
        sum += 1;
        keep(sum);
      });
    }
    return sum;
  }

  std::uint64_t digest() override { return fold_words(list_, kListSize * 8); }

 private:
  char* list_;
};

class CopyTextOut final : public Side {
 public:
  CopyTextOut() : list_(list_mapping(kListSize * kTextBytes)) {
    for (std::size_t i = 0; i < kListSize; ++i) {
      std::memcpy(list_ + i * kTextBytes, initial_text(i).data(), kTextBytes);
    }
  }

  std::uint64_t run(std::uint64_t rounds) override {
    char* const list = list_;
    std::uint64_t sum = 0;
    std::array<char, kTextBytes> text;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      list_round([&](std::size_t, std::size_t index) {
        std::memcpy(text.data(), list + index * kTextBytes, kTextBytes);
        keep(text.data());
        touch_memory();
        sum += fold_text(text.data());
        keep(sum);
      });
    }
    return sum;
  }

 private:
  char* list_;
};

}  // namespace

std::unique_ptr<Side> copy_bulk() { return std::make_unique<CopyBulk>(); }
std::unique_ptr<Side> copy_int_out() { return std::make_unique<CopyIntOut>(); }
std::unique_ptr<Side> copy_int_in() { return std::make_unique<CopyIntIn>(); }
std::unique_ptr<Side> copy_text_out() { return std::make_unique<CopyTextOut>(); }

}  // namespace reference
