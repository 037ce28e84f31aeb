// The demo as a user runs it, on files of every shape: its totals are those of wc, one of its
// workers was killed half way, and whichever way it ends, nothing of it is left.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/demo/count.h"
#include "examples/demo/shared.h"
#include "tests/e2e/program.h"
#include "tests/support/child.h"
#include "tests/support/test_manager.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  // Separators, letters and what wc looks through meet often.
  const std::string often = std::string("\0\x01\x7f\x80\xa0\xff", 6) + "ab \n\t\v\f\r";
  std::string text;
  text.reserve(size);
  while (text.size() < size) {
    text += random() % 2 == 0 ? often[random() % often.size()] : static_cast<char>(random());
  }
  return text;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
}

// What wc says, as the demo's last lines.
std::string wc(const std::string& path) {
  Program program({"/bin/sh", "-c", "exec wc -l -w -c <\"$0\"", path}, {"LC_ALL=C"});
  EXPECT_EQ(program.wait().status, 0) << program.err();
  long lines = -1;
  long words = -1;
  long bytes = -1;
  std::istringstream(program.out()) >> lines >> words >> bytes;
  return "\nlines " + std::to_string(lines) + "\nwords " + std::to_string(words) + "\nbytes " +
         std::to_string(bytes) + "\n";
}

class Demo : public testing::Test {
 protected:
  // What the demo starts and leaves behind becomes a child of this test.
  void SetUp() override { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  void TearDown() override { EXPECT_TRUE(files_left().empty()) << files_left()[0]; }

  [[nodiscard]] std::vector<std::string> variables() const {
    return {"TMPDIR=" + scratch_.path(), "XDG_RUNTIME_DIR=" + scratch_.path(),
            "SHOAL_SOCKET=/nonexistent/socket", "SHOAL_ARENA=nonexistent"};
  }
  static std::vector<std::string> command(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {test::built_program("shoal_demo")};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }

  [[nodiscard]] std::vector<std::string> files_left() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch_.path())) {
      files.push_back(entry.path());
    }
    return files;
  }

  // Whether no process of the demo is left, not even a zombie.
  static bool no_process_left() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

  void expect_like_wc(const std::string& path) const {
    Program program(command({path}), variables());
    EXPECT_EQ(program.wait().status, 0) << program.err();
    EXPECT_TRUE(no_process_left());
    EXPECT_THAT(program.out(), EndsWith(wc(path)));
    expect_killed_and_forgotten(program.out());
  }

  // Reads the story: the victim held the text, died, and is not among its holders any more.
  static void expect_killed_and_forgotten(const std::string& story) {
    std::smatch kill;
    ASSERT_TRUE(std::regex_search(story, kill, std::regex("\nkill -9 ([0-9]+): "))) << story;
    const std::string victim = "\n *" + kill[1].str() + " +";
    EXPECT_TRUE(std::regex_search(kill.prefix().str(), std::regex(victim))) << story;
    const std::string after = kill.suffix().str();
    EXPECT_THAT(after, HasSubstr("$ shoalctl stat demo/text"));
    EXPECT_THAT(after, HasSubstr("$ shoalctl stat demo/counts"));
    EXPECT_THAT(after, HasSubstr("$ shoalctl clients"));
    EXPECT_FALSE(std::regex_search(after, std::regex(victim))) << story;
    EXPECT_THAT(after, HasSubstr("\nworker 1 is process "));
    EXPECT_THAT(after, HasSubstr("$ shoalctl verify demo/words"));
    EXPECT_THAT(after, HasSubstr("\none process alone counts the same "));
  }

  [[nodiscard]] std::string file(const std::string& text) const {
    const std::string path = files_.path() + "/text";
    write_file(path, text);
    return path;
  }

  test::Folder files_;
  test::Folder scratch_;
};

TEST_F(Demo, DefaultFile) {
  Program program(command({}), variables());
  EXPECT_EQ(program.wait().status, 0) << program.err();
  EXPECT_TRUE(no_process_left());
  EXPECT_THAT(program.out(), EndsWith(wc("/usr/share/common-licenses/GPL-3")));
  EXPECT_THAT(program.err(), HasSubstr("progress:"));
}

TEST_F(Demo, EmptyFile) { expect_like_wc(file("")); }
TEST_F(Demo, OneByte) { expect_like_wc(file("x")); }
TEST_F(Demo, FewerBytesThanWorkers) { expect_like_wc(file("a b")); }
TEST_F(Demo, OneLongWord) { expect_like_wc(file(std::string(1000, 'w'))); }
TEST_F(Demo, OneVeryLongWord) { expect_like_wc(file(std::string(100'000, 'w'))); }
TEST_F(Demo, NoTrailingNewline) { expect_like_wc(file("one two\nthree\n\nfour five")); }
TEST_F(Demo, BinaryWithNulBytes) { expect_like_wc(file(random_bytes(100'001, 1))); }
TEST_F(Demo, FiveMegabytes) { expect_like_wc(file(random_bytes(5'000'000, 2))); }

TEST_F(Demo, NameLikeAnOption) {
  const std::string path = files_.path() + "/--worker -c\n";
  write_file(path, "a b\n");
  expect_like_wc(path);
}

TEST_F(Demo, WhatCannotBeReadIsTwo) {
  const std::string pipe = files_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {files_.path() + "/none", files_.path(), pipe}) {
    Program program(command({path}), variables());
    EXPECT_EQ(program.wait().status, 2) << path;
    EXPECT_EQ(program.out(), "");
    EXPECT_THAT(program.err(), HasSubstr("cannot count " + path + ": "));
    EXPECT_TRUE(no_process_left());
  }
  Program program(command({"a", "b"}), variables());
  EXPECT_EQ(program.wait().status, 2);
}

// A file whose length is not what it says it is, as all in /proc.
TEST_F(Demo, FileThatIsLongerThanItSaysIsRefused) {
  Program program(command({"/proc/self/status"}), variables());
  EXPECT_EQ(program.wait().status, 1);
  EXPECT_THAT(program.err(), HasSubstr("not as long as it says"));
  EXPECT_THAT(program.out(), Not(HasSubstr("\nlines ")));
  EXPECT_TRUE(no_process_left());
}

class DemoInterrupted : public Demo {
 protected:
  // Starts the demo, lets all workers run, and sends the signal. The demo may have been quicker:
  // then it is started again.
  Ended interrupt(int signal, bool group) {
    const std::string path = file(random_bytes(50'000, 3));
    for (int attempt = 0; attempt < 50; ++attempt) {
      Program program(command({path}), variables());
      EXPECT_TRUE(test::wait_until([&] {
        return program.has_ended() ||
               program.out().find("worker 3 is process") != std::string::npos;
      }));
      ::kill(group ? -program.pid() : program.pid(), signal);
      const Ended ended = program.wait();
      if (ended.status != 0) return ended;
    }
    return {.status = 0};
  }
};

TEST_F(DemoInterrupted, ControlC) {
  EXPECT_EQ(interrupt(SIGINT, /*group=*/true).status, 128 + SIGINT);
  EXPECT_TRUE(no_process_left());
}

TEST_F(DemoInterrupted, Terminated) {
  EXPECT_EQ(interrupt(SIGTERM, /*group=*/false).status, 128 + SIGTERM);
  EXPECT_TRUE(no_process_left());
}

TEST_F(DemoInterrupted, Killed) {
  EXPECT_EQ(interrupt(SIGKILL, /*group=*/false).signal, SIGKILL);
  const auto nothing_left = [&] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return no_process_left();
  };
  EXPECT_TRUE(test::wait_until(nothing_left));
  EXPECT_TRUE(test::wait_until([&] { return files_left().empty(); }));
}

// --- the count itself
// -----------------------------------------------------------------------------

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The sum over slices that are each counted in pieces.
std::string in_slices(const std::string& text, std::size_t slices, std::size_t piece) {
  demo::Counts sum;
  for (std::size_t i = 0; i < slices; ++i) {
    const demo::Slice slice = demo::slice_of(text.size(), i, slices);
    const auto all = bytes_of(text);
    demo::Counter counter(all.first(slice.begin));
    for (std::uint64_t at = slice.begin; at < slice.end; at += piece) {
      counter.add(all.subspan(at, std::min<std::uint64_t>(piece, slice.end - at)));
    }
    sum += counter.counts();
  }
  return "\nlines " + std::to_string(sum.lines) + "\nwords " + std::to_string(sum.words) +
         "\nbytes " + std::to_string(sum.bytes) + "\n";
}

TEST(DemoCount, EveryTripleOfKindsOfBytesIsCountedAsByWc) {
  // Each byte after, before and between letters, separators and bytes of neither kind.
  std::string text;
  const std::string around("a \x80", 3);
  for (int byte = 0; byte < 256; ++byte) {
    for (const char left : around) {
      for (const char right : around) {
        text += {left, static_cast<char>(byte), right, '\n'};
      }
    }
  }
  test::Folder folder;
  write_file(folder.path() + "/text", text);
  const std::string expected = wc(folder.path() + "/text");
  for (const std::size_t slices : {1, 2, 3, 4, 7, 1000}) {
    EXPECT_EQ(in_slices(text, slices, 5), expected) << slices;
  }
}

// Every word once, whichever slice it begins in, and as many as the counter says there are.
TEST(DemoCount, WordsOfSlicesAreThoseOfTheWholeText) {
  std::mt19937 random(5);
  for (unsigned seed = 0; seed < 60; ++seed) {
    const std::string text = random_bytes(random() % 300, seed);
    const auto all = bytes_of(text);
    demo::WordCounts whole;
    demo::add_words(all, 0, all.size(), whole);
    std::int64_t sum = 0;
    for (const auto& [word, count] : whole) sum += count;
    demo::Counter counter({});
    counter.add(all);
    EXPECT_EQ(sum, counter.counts().words) << "seed " << seed;
    for (std::size_t slices = 1; slices <= text.size() + 2; slices += 1 + random() % 5) {
      demo::WordCounts words;
      for (std::size_t i = 0; i < slices; ++i) {
        const demo::Slice slice = demo::slice_of(text.size(), i, slices);
        demo::add_words(all, slice.begin, slice.end, words);
      }
      ASSERT_EQ(words, whole) << "seed " << seed << ", " << slices << " slices";
    }
  }
}

TEST(DemoCount, WordsAreBytes) {
  demo::WordCounts words;
  const std::string text = "the \x80 the\x80\n \x01one the";
  demo::add_words(bytes_of(text), 0, text.size(), words);
  EXPECT_EQ(words, (demo::WordCounts{{"the", 2}, {"the\x80", 1}, {"one", 1}}));
}

TEST(DemoCount, SlicesOfRandomBytesAddUpToWc) {
  test::Folder folder;
  std::mt19937 random(4);
  for (unsigned seed = 0; seed < 60; ++seed) {
    const std::string text = random_bytes(random() % 300, seed);
    write_file(folder.path() + "/text", text);
    const std::string expected = wc(folder.path() + "/text");
    for (std::size_t slices = 1; slices <= text.size() + 2; slices += 1 + random() % 5) {
      ASSERT_EQ(in_slices(text, slices, 1 + random() % 9), expected)
          << "seed " << seed << ", " << slices << " slices";
    }
  }
}

}  // namespace
}  // namespace shoal::e2e
