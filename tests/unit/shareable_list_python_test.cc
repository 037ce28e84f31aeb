// ShareableList against the system's Python, both ways: what we write the stdlib reads, what the
// stdlib writes we read, and where the stdlib has no fault the bytes are the same.
// The stdlib's faults, left out or expected by name: it drops NULs at the end of a text, and gives
// a text a slot by its characters, not its bytes.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "memory/shareable_list.h"
#include "shoal/value.h"
#include "tests/unit/python_process.h"

namespace shoal::memory {
namespace {

constexpr int kLists = 1000;
constexpr std::uint16_t kMe = 3;
constexpr absl::Duration kPatience = absl::Seconds(60);

using test::from_word;
using test::to_word;

class Python : public test::PythonProcess {
 public:
  Python() : PythonProcess(SHOAL_TEST_SOURCE_DIR "/shareable_list_python.py") {}

  std::vector<Value> read(const std::string& name) {
    std::vector<Value> values;
    const std::string answer = ask("read " + name);
    if (answer.rfind("error", 0) == 0) ADD_FAILURE() << answer;
    for (std::size_t at = 0; at < answer.size();) {
      const std::size_t end = std::min(answer.find(' ', at), answer.size());
      values.push_back(from_word(answer.substr(at, end - at)));
      at = end + 1;
    }
    return values;
  }

  std::string make(const std::string& name, const std::vector<Value>& values) {
    std::string line = "make " + name;
    for (const Value& value : values) line += " " + to_word(value);
    return ask(line);
  }
};

// A named POSIX segment, as the stdlib's are.
class Segment {
 public:
  Segment(const std::string& name, std::size_t size_to_create) : name_("/" + name) {
    const int fd = size_to_create != 0 ? shm_open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600)
                                       : shm_open(name_.c_str(), O_RDWR, 0600);
    if (fd < 0) std::abort();
    if (size_to_create != 0 && ftruncate(fd, static_cast<off_t>(size_to_create)) != 0) std::abort();
    struct stat about;
    if (fstat(fd, &about) != 0) std::abort();
    size_ = static_cast<std::size_t>(about.st_size);
    data_ =
        static_cast<std::byte*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
  }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() {
    munmap(data_, size_);
    shm_unlink(name_.c_str());
  }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::string name_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

std::string segment_name(int number) {
  return "shoal_list_" + std::to_string(getpid()) + "_" + std::to_string(number);
}

std::string without_nuls(std::string text) {
  const std::size_t last = text.find_last_not_of('\0');
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

// What the stdlib makes of a value: NULs at the end are lost.
Value as_stdlib_reads(const Value& value) {
  if (const std::string* text = value.as_string()) return without_nuls(*text);
  if (const Bytes* bytes = value.as_bytes()) return Bytes(without_nuls(std::string(bytes->view())));
  return value;
}

// Where the stdlib gives the slot that we give.
bool has_stdlib_slot(const Value& value) {
  const std::string* text = value.as_string();
  if (text == nullptr) return true;
  std::size_t characters = 0;
  for (const char c : *text) characters += (c & 0xC0) != 0x80;
  return text_slot(characters) == text_slot(text->size());
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : draw_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return draw_() % bound; }

  Value value() {
    switch (below(7)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 1;
      case 2:
        return static_cast<std::int64_t>(draw_()) >> below(64);
      case 3:
        return real();
      case 4:
        return text(false);
      case 5:
        return text(true);
      default:
        return Bytes(bytes());
    }
  }

  std::vector<Value> list() {
    std::vector<Value> values(below(12));
    for (Value& value : values) value = this->value();
    return values;
  }

 private:
  double real() {
    const double number = std::bit_cast<double>(draw_());
    return number == number ? number : 0.5;  // NaN equals nothing, not even itself
  }

  std::string text(bool beyond_ascii) {
    static const char* const kCharacters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x9f", "z"};
    std::string out;
    for (std::uint64_t left = below(30); left != 0; --left) {
      if (beyond_ascii) {
        out += kCharacters[below(4)];
      } else {
        out += static_cast<char>(below(8) == 0 ? 0 : 32 + below(95));
      }
    }
    return out + std::string(below(4) == 0 ? below(9) : 0, '\0');
  }

  std::string bytes() {
    std::string out;
    for (std::uint64_t left = below(40); left != 0; --left) out += static_cast<char>(below(256));
    return out + std::string(below(3) == 0 ? below(12) : 0, '\0');
  }

  std::mt19937_64 draw_;
};

void expect_same(const std::vector<Value>& got, const std::vector<Value>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t at = 0; at < want.size(); ++at) {
    EXPECT_EQ(got[at].kind(), want[at].kind()) << at;
    EXPECT_EQ(got[at], want[at]) << at;
  }
}

std::vector<Value> read_all(const ListView& list) {
  std::vector<Value> values;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto value = list.get(static_cast<std::ptrdiff_t>(at));
    EXPECT_TRUE(value.ok()) << value.status();
    values.push_back(value.value_or(Value()));
  }
  return values;
}

std::vector<Value> as_stdlib_reads(std::vector<Value> values) {
  for (Value& value : values) value = as_stdlib_reads(value);
  return values;
}

TEST(ShareableListPython, TheStdlibReadsAndSetsWhatWeWrote) {
  Python python;
  Random random(1);
  for (int number = 0; number < kLists && !testing::Test::HasFailure(); ++number) {
    const std::string name = segment_name(number);
    std::vector<Value> values = random.list();
    const Segment segment(name, bytes_needed(values).value());
    ASSERT_TRUE(format(segment.bytes(), values).ok());
    ListView list = ListView::attach(segment.bytes()).value();
    expect_same(read_all(list), values);
    expect_same(python.read(name), as_stdlib_reads(values));
    if (values.empty()) continue;
    // the stdlib sets one, then we set one; each must read the other's
    const std::size_t at = random.below(values.size());
    const Value theirs = random.value();
    const std::string answer =
        python.ask("set " + name + " " + std::to_string(at) + " " + to_word(theirs));
    if (answer == "ok") {
      values[at] = as_stdlib_reads(theirs);
    } else {
      EXPECT_EQ(answer, "error ValueError");
    }
    const Value now = list.get(static_cast<std::ptrdiff_t>(at)).value();
    EXPECT_EQ(as_stdlib_reads(now), as_stdlib_reads(values[at]));
    values[at] = now;  // a stdlib set of the very same bytes leaves the true length in force
    const std::size_t ours_at = random.below(values.size());
    const Value ours = random.value();
    const absl::Status status =
        list.set(static_cast<std::ptrdiff_t>(ours_at), ours, kMe, kPatience);
    if (status.ok()) {
      values[ours_at] = ours;
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
    }
    expect_same(read_all(list), values);
    expect_same(python.read(name), as_stdlib_reads(values));
  }
}

TEST(ShareableListPython, WeReadAndSetWhatTheStdlibWrote) {
  Python python;
  Random random(2);
  int identical = 0;
  for (int number = 0; number < kLists && !testing::Test::HasFailure(); ++number) {
    const std::string name = segment_name(number);
    std::vector<Value> values = random.list();
    for (Value& value : values) {
      while (!has_stdlib_slot(value)) value = random.value();  // the stdlib would cut it off
    }
    ASSERT_EQ(python.make(name, values), "ok");
    const Segment segment(name, 0);
    ListView list = ListView::attach(segment.bytes()).value();
    EXPECT_FALSE(list.has_trailer());
    std::vector<Value> expected = as_stdlib_reads(values);
    expect_same(read_all(list), expected);

    std::vector<std::byte> ours(bytes_needed(values).value());
    ASSERT_TRUE(format(ours, values).ok());
    ASSERT_LE(segment.bytes().size(), ours.size());
    EXPECT_EQ(std::memcmp(ours.data(), segment.bytes().data(), segment.bytes().size()), 0);
    ++identical;

    if (values.empty()) continue;
    const std::size_t at = random.below(values.size());
    const Value next = random.value();
    if (list.set(static_cast<std::ptrdiff_t>(at), next, kMe, kPatience).ok()) {
      expected[at] = as_stdlib_reads(next);
    }
    expect_same(read_all(list), expected);
    expect_same(python.read(name), expected);
  }
  EXPECT_EQ(identical, kLists);
}

}  // namespace
}  // namespace shoal::memory
