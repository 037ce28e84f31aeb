// What the tests of shoalctl share: running the program, and a manager for it to talk to.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <shoal/shoal.h>

namespace shoal::e2e {

using nlohmann::json;
using Words = std::vector<std::string>;

struct Result {
  int status = -1;  // of its exit; -1: it was killed
  std::string out;
  std::string err;
  [[nodiscard]] json parsed() const { return json::parse(out, nullptr, false); }
};

inline std::string read_all(int fd) {
  std::string text;
  char piece[65536];
  for (off_t at = 0;;) {
    const ssize_t got = pread(fd, piece, sizeof piece, at);
    if (got <= 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    at += got;
  }
}

// Runs the program with these words. `out`: where stdout goes instead. `input`: what stdin has.
inline Result run(const Words& words, int out = -1, const std::string& input = {}) {
  const std::string program = std::string(std::getenv("SHOAL_BIN_DIR")) + "/shoalctl";
  const int captured = memfd_create("out", MFD_CLOEXEC);
  const int errors = memfd_create("err", MFD_CLOEXEC);
  const int in = memfd_create("in", MFD_CLOEXEC);
  EXPECT_EQ(pwrite(in, input.data(), input.size(), 0), static_cast<ssize_t>(input.size()));
  const pid_t child = fork();
  if (child == 0) {
    dup2(in, STDIN_FILENO);
    dup2(out < 0 ? captured : out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Result result{.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                .out = read_all(captured),
                .err = read_all(errors)};
  close(captured);
  close(errors);
  return result;
}

inline Words joined(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// The row of `list` whose `key` is `value`; null if there is none.
inline json row(const json& list, const std::string& key, const json& value) {
  const auto found = std::ranges::find_if(list, [&](const json& r) { return r.at(key) == value; });
  return found == list.end() ? json() : *found;
}

// A test with a manager and a client, labelled "tester", of its own.
class Shoalctl : public testing::Test {
 protected:
  void SetUp() override {
    ManagerOptions options;
    options.flags = {"--memory-max=256MiB"};
    auto manager = Manager::start(options);
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = std::make_unique<Manager>(*std::move(manager));
    auto client = connect_as("tester");
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = std::make_unique<Client>(*std::move(client));
  }

  absl::StatusOr<Client> connect_as(const std::string& label) const {
    ClientOptions options;
    options.label = label;
    return manager_->connect(options);
  }

  static SharedMemoryOptions sized(std::uint64_t bytes) {
    SharedMemoryOptions options;
    options.size = bytes;
    return options;
  }

  // Runs a command against this test's manager.
  Result ctl(const Words& words, const std::string& input = {}) const {
    return run(joined({"--socket", socket()}, words), -1, input);
  }

  // The same with --json, which must succeed and print one JSON text of version 1.
  json ask(const Words& words) const {
    const Result result = ctl(joined(words, {"--json"}));
    EXPECT_EQ(result.status, 0) << result.err;
    const json answer = result.parsed();
    EXPECT_EQ(answer.value("version", 0), 1) << result.out;
    return answer;
  }

  SharedMemory make(const std::string& name, std::uint64_t size) const {
    auto memory = client_->create<SharedMemory>(name, sized(size));
    EXPECT_TRUE(memory.ok()) << memory.status();
    return memory.ok() ? *memory : SharedMemory();
  }

  ShareableList make_list(const std::string& name, std::vector<Value> values) const {
    auto list = client_->create<ShareableList>(name, {.values = std::move(values)});
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? *list : ShareableList();
  }

  const std::string& socket() const { return manager_->socket(); }

  std::unique_ptr<Manager> manager_;
  std::unique_ptr<Client> client_;
};

}  // namespace shoal::e2e
