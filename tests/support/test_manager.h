// A manager of a test's own: the built shoald with a socket in a folder that any uid may enter. It
// ends with the test, however that does; a manager that ended by itself, or with a report of a
// sanitizer, fails the test.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <shoal/admin.h>
#include <shoal/client.h>

namespace shoal::test {

// A folder that is removed with all its contents.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t maker_;
};

// What a manager's descriptors hold.
struct Descriptors {
  std::size_t count = 0;           // all of them
  std::size_t memfds = 0;          // of them: objects' memory, and a page of each session
  std::uint64_t memory_bytes = 0;  // st_blocks of these
};
Descriptors descriptors_of(pid_t pid);

class TestManager {
 public:
  // Returns once it is ready. `socket`: where, else in the folder of this manager.
  explicit TestManager(const std::vector<std::string>& flags = {}, const std::string& socket = {});
  TestManager(const TestManager&) = delete;
  TestManager& operator=(const TestManager&) = delete;
  ~TestManager();  // stop()

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string log() const;
  [[nodiscard]] Descriptors descriptors() const { return descriptors_of(pid_); }

  // A new session, or the end of the test.
  [[nodiscard]] shoal::Client client(shoal::ClientOptions options = {}) const;
  [[nodiscard]] shoal::Admin admin() const;

  // Ends it by this signal and waits: the status of waitpid(). Twice is fine.
  int stop(int signal = 15);

 private:
  Folder folder_;
  std::string socket_;
  std::string log_file_;
  pid_t pid_ = -1;
  pid_t maker_ = -1;
  std::optional<int> status_;
};

// The contract's measure of leaks, for a manager with --warm-bytes=0: the st_blocks of what the
// manager holds and the number of its descriptors, beside zero objects, sessions and attachments.
class LeakMeasure {
 public:
  // `manager` has no other session yet.
  explicit LeakMeasure(const TestManager& manager);

  // Empty once all is gone that came since; else what is left. Waits for it, since deaths are
  // noticed and worked off one after the other.
  [[nodiscard]] std::string what_is_left() const;

 private:
  const TestManager& manager_;
  shoal::Admin admin_;
  Descriptors before_;
};

}  // namespace shoal::test
