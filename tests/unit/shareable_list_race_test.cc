// Writers and readers of one ShareableList at once. Threads stand for processes, because
// ThreadSanitizer sees only one address per word; the last test maps the same bytes twice.
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory/shareable_list.h"
#include "shoal/value.h"
#include "tests/unit/list_memory.h"

namespace shoal::memory {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(5);
constexpr int kRounds = 30000;
constexpr std::size_t kElements = 3;

// Every value says in each of its bytes which one it is, so a mixture of two is seen.
Value pattern(int round) {
  const char letter = static_cast<char>('a' + round % 26);
  switch (round % 6) {
    case 0:
      return std::int64_t{0x0101010101010101} * letter;
    case 1:
      return std::string(static_cast<std::size_t>(round % 257), letter);
    case 2:
      return Bytes(std::string(static_cast<std::size_t>(round % 200), letter) +
                   std::string(static_cast<std::size_t>(letter - 'a'), '\0'));
    case 3:
      return nullptr;
    case 4:
      return std::bit_cast<double>(std::uint64_t{0x0101010101010101} *
                                   static_cast<std::uint64_t>(letter));
    default:
      return std::string(256, letter);
  }
}

bool uniform(std::string_view text) {
  return text.empty() || text.find_first_not_of(text[0]) == std::string_view::npos;
}

bool whole_word(std::uint64_t word) { return word == (word & 0xFF) * 0x0101010101010101; }

bool is_whole(const Value& value) {
  if (const std::int64_t* number = value.as_int()) {
    return whole_word(static_cast<std::uint64_t>(*number));
  }
  if (const double* number = value.as_double()) {
    return whole_word(std::bit_cast<std::uint64_t>(*number));
  }
  if (const std::string* text = value.as_string()) return uniform(*text);
  if (const Bytes* bytes = value.as_bytes()) {
    const std::size_t nuls = bytes->view().find('\0');
    if (nuls == std::string_view::npos) return uniform(bytes->view());
    const std::string_view tail = bytes->view().substr(nuls);
    if (nuls == 0) return uniform(tail);
    return uniform(bytes->view().substr(0, nuls)) && uniform(tail) &&
           tail.size() == static_cast<std::size_t>(bytes->view()[0] - 'a');
  }
  return value.is_none();
}

std::vector<Value> start_values() { return std::vector<Value>(kElements, std::string(256, 'z')); }

void write_patterns(ListView list, std::uint16_t owner, std::atomic<int>& failures) {
  for (int round = 0; round < kRounds; ++round) {
    const auto at = static_cast<std::ptrdiff_t>((round / 3 + owner) % kElements);
    if (!list.set(at, pattern(round + owner), owner, kPatience).ok()) ++failures;
    // the in-place path now and then
    if (round % 6 == 0 &&
        !list.set_int64(at, std::int64_t{0x0101010101010101} * 'k', owner, kPatience).ok()) {
      ++failures;
    }
  }
}

void read_patterns(const ListView& list, const std::atomic<bool>& stop,
                   std::atomic<int>& failures) {
  char buffer[264];
  do {
    for (std::size_t at = 0; at < kElements; ++at) {
      const auto index = static_cast<std::ptrdiff_t>(at);
      const auto value = list.get(index);
      if (!value.ok() || !is_whole(*value)) ++failures;
      const auto number = list.get_int64(index);
      if (number.ok() && !whole_word(static_cast<std::uint64_t>(*number))) ++failures;
      if (!number.ok() && number.status().code() != absl::StatusCode::kFailedPrecondition) {
        ++failures;
      }
      const auto size = list.get_into(index, std::as_writable_bytes(std::span(buffer)));
      if (size.ok() && !is_whole(Bytes(buffer, *size))) ++failures;
      if (!list.format_of(index).ok()) ++failures;
    }
  } while (!stop.load(std::memory_order_relaxed));
}

void race(const ListView& first, const ListView& second) {
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> refused = 0;
  std::thread readers[] = {std::thread([&] { read_patterns(second, stop, torn); }),
                           std::thread([&] { read_patterns(first, stop, torn); })};
  std::thread writers[] = {std::thread([&] { write_patterns(first, 1, refused); }),
                           std::thread([&] { write_patterns(second, 2, refused); }),
                           std::thread([&] { write_patterns(first, 1, refused); })};
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn.load(), 0);
  EXPECT_EQ(refused.load(), 0);
}

TEST(ShareableListRace, ReadersNeverSeeATornElement) {
  ListMemory memory(start_values());
  race(memory.view(), memory.view());
  EXPECT_EQ(shadow_state(memory.shadow()), ShadowState::kIdle);
  EXPECT_EQ(shadow_owner(memory.shadow()), 0);
}

// The patterns themselves are worth something only if a mixture of two is noticed.
TEST(ShareableListRace, AMixtureWouldBeNoticed) {
  EXPECT_FALSE(is_whole(std::string("aab")));
  EXPECT_FALSE(is_whole(std::int64_t{0x0101010101010102}));
  EXPECT_FALSE(is_whole(Bytes(std::string_view("ccc\0", 4))));
  for (int round = 0; round < 1000; ++round) EXPECT_TRUE(is_whole(pattern(round)));
}

// Every set of one writer is counted exactly once, whoever else writes beside it.
TEST(ShareableListRace, SetsOfOthersDoNotGetLost) {
  ListMemory memory({0, 0, "text"});
  const auto add = [&memory](std::ptrdiff_t at, std::uint16_t owner) {
    ListView list = memory.view();
    for (int round = 1; round <= kRounds; ++round) {
      ASSERT_TRUE(list.set_int64(at, round, owner, kPatience).ok());
      ASSERT_EQ(list.get_int64(at).value(), round);
      if (round % 16 == 0) {
        ASSERT_TRUE(list.set(2, std::to_string(round), owner, kPatience).ok());
      }
    }
  };
  std::thread one([&] { add(0, 1); });
  std::thread two([&] { add(1, 2); });
  one.join();
  two.join();
  EXPECT_EQ(memory.view().get_int64(0).value(), kRounds);
  EXPECT_EQ(memory.view().get_int64(1).value(), kRounds);
}

#ifndef SHOAL_COPY_BY_WORDS
TEST(ShareableListRace, HoldsThroughTwoMappingsOfOneSegment) {
  const std::vector<Value> values = start_values();
  const std::size_t size = bytes_needed(values).value();
  const int fd = memfd_create("list", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
  void* one = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* two = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* read_only = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(one, MAP_FAILED);
  ASSERT_NE(two, MAP_FAILED);
  ASSERT_NE(read_only, MAP_FAILED);
  const std::span<std::byte> first(static_cast<std::byte*>(one), size);
  const std::span<std::byte> second(static_cast<std::byte*>(two), size);
  ASSERT_TRUE(format(first, values).ok());
  race(ListView::attach(first).value(), ListView::attach(second).value());
  // a reader needs no more than PROT_READ
  const std::span<const std::byte> third(static_cast<const std::byte*>(read_only), size);
  EXPECT_TRUE(is_whole(ListView::attach_read_only(third).value().get(0).value()));
  munmap(one, size);
  munmap(two, size);
  munmap(read_only, size);
  close(fd);
}
#endif

}  // namespace
}  // namespace shoal::memory
