// A descriptor of the library's in somebody else's process, who may close every descriptor and get
// the number back for another file. It is used and closed only while it is still the same file.
#pragma once

#include <sys/stat.h>

#include <utility>

#include "schemas/unique_fd.h"

namespace shoal::internal {

class GuardedFd {
 public:
  GuardedFd() = default;
  explicit GuardedFd(protocol::UniqueFd fd) : fd_(fd.release()) {
    struct stat status {};
    if (fd_ >= 0 && ::fstat(fd_, &status) == 0) {
      device_ = status.st_dev;
      inode_ = status.st_ino;
    }
  }
  GuardedFd(GuardedFd&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), device_(other.device_), inode_(other.inode_) {}
  GuardedFd& operator=(GuardedFd&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    device_ = other.device_;
    inode_ = other.inode_;
    return *this;
  }
  GuardedFd(const GuardedFd&) = delete;
  GuardedFd& operator=(const GuardedFd&) = delete;
  ~GuardedFd() { close(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  // Whether the number still means our file. One system call.
  [[nodiscard]] bool ours() const {
    struct stat status {};
    return fd_ >= 0 && ::fstat(fd_, &status) == 0 && status.st_dev == device_ &&
           status.st_ino == inode_;
  }
  void close() {
    if (ours()) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace shoal::internal
