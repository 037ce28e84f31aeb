// See test_manager.h.
#include "tests/support/test_manager.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/child.h"
#include "tests/support/watchdog.h"

namespace shoal::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlockBytes = 512;

std::string shoald() {
  const char* program = std::getenv("SHOAL_SHOALD");
  return program != nullptr ? program : built_program("shoald");
}

// In the child: becomes the manager. It may use nothing that allocates.
[[noreturn]] void become_manager(const std::vector<char*>& arguments, const char* log, int parent,
                                 int ready) {
  const int out = ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDERR_FILENO);
  ::fcntl(parent, F_SETFD, 0);
  ::fcntl(ready, F_SETFD, 0);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

bool heard_of(int ready) {
  pollfd line{.fd = ready, .events = POLLIN, .revents = 0};
  char byte = 0;
  return ::poll(&line, 1, kWatchdogSeconds * 1000) == 1 && ::read(ready, &byte, 1) == 1 &&
         byte == 'r';  // "ready", not "error"
}

}  // namespace

Folder::Folder() : path_("/tmp/shoal-test-XXXXXX"), maker_(::getpid()) {
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  ::chmod(path_.c_str(), 0755);
}

Folder::~Folder() {
  std::error_code ignored;
  if (maker_ == ::getpid()) fs::remove_all(path_, ignored);
}

Descriptors descriptors_of(pid_t pid) {
  Descriptors all;
  std::set<ino_t> seen;  // what is just being sent to a client is open twice
  std::error_code ignored;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string target = fs::read_symlink(entry.path(), ignored);
    ++all.count;
    struct stat status {};
    if (!target.starts_with("/memfd:") || ::stat(entry.path().c_str(), &status) != 0) continue;
    if (!seen.insert(status.st_ino).second) continue;
    const std::uint64_t bytes = static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
    ++all.memfds;
    all.memory_bytes += bytes;
  }
  return all;
}

TestManager::TestManager(const std::vector<std::string>& flags, const std::string& socket)
    : socket_(socket.empty() ? folder_.path() + "/shoald.sock" : socket),
      log_file_(folder_.path() + "/log"),
      maker_(::getpid()) {
  int ready[2];
  const int parent = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (parent < 0 || ::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("no descriptors");
  std::vector<std::string> words = {shoald(), "--socket=" + socket_, "--socket-mode=0666",
                                    "--parent-fd=" + std::to_string(parent),
                                    "--ready-fd=" + std::to_string(ready[1])};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) become_manager(arguments, log_file_.c_str(), parent, ready[1]);
  ::close(parent);
  ::close(ready[1]);
  const bool up = pid_ > 0 && heard_of(ready[0]);
  ::close(ready[0]);
  if (up) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  throw std::runtime_error("the manager did not come up: " + log());
}

TestManager::~TestManager() {
  if (maker_ != ::getpid()) return;
  const bool stopped = status_.has_value();
  const int status = stop();
  if (!stopped && status != 0) {
    ADD_FAILURE() << "the manager ended with status " << status << "; its last words:\n" << log();
  }
}

std::string TestManager::log() const {
  std::ostringstream text;
  text << std::ifstream(log_file_).rdbuf();
  return text.str();
}

shoal::Client TestManager::client(shoal::ClientOptions options) const {
  options.socket = socket_;
  return must(shoal::Client::connect(options));
}

shoal::Admin TestManager::admin() const {
  return shoal::Admin(must(shoal::Client::connect_for_administration(
      {.socket = socket_, .arena = {}, .label = "observer"})));
}

int TestManager::stop(int signal) {
  if (!status_) {
    ::kill(pid_, signal);
    int status = -1;
    const bool ended = wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
    if (!ended) {
      ADD_FAILURE() << "the manager did not end by signal " << signal << ":\n" << log();
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
    }
    status_ = status;
  }
  return *status_;
}

LeakMeasure::LeakMeasure(const TestManager& manager)
    : manager_(manager), admin_(manager.admin()), before_(manager.descriptors()) {}

std::string LeakMeasure::what_is_left() const {
  std::ostringstream left;
  const bool gone = wait_until([&] {
    const shoal::ManagerInfo info = must(admin_.manager());
    const shoal::Usage usage = must(admin_.usage());
    std::uint64_t attachments = 0;
    for (const shoal::ClientInfo& client : must(admin_.clients())) attachments += client.references;
    const Descriptors held = manager_.descriptors();
    const std::uint32_t sessions = info.sessions - 1;  // but for ours
    left.str({});
    left << info.objects << " objects, " << sessions << " sessions, " << attachments
         << " attachments, " << usage.committed_bytes << " committed bytes; " << held.count
         << " descriptors of " << held.memory_bytes << " bytes, at first " << before_.count
         << " of " << before_.memory_bytes;
    return info.objects == 0 && sessions == 0 && attachments == 0 && usage.committed_bytes == 0 &&
           held.count <= before_.count && held.memory_bytes <= before_.memory_bytes;
  });
  return gone ? "" : left.str();
}

}  // namespace shoal::test
