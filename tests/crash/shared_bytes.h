// Bytes that processes of a test share, and private copies of them. Knows no meaning.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

namespace shoal::test {

// Through a memfd, so that forked children share them.
class SharedBytes {
 public:
  explicit SharedBytes(std::size_t size) : size_(size) {
    const int fd = memfd_create("sweep", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) abort();
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    close(fd);
    data_ = static_cast<std::byte*>(at);
  }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes() { munmap(data_, size_); }

  [[nodiscard]] std::span<std::byte> span() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

// A private copy at the start of a page, as a mapping would be.
class Copy {
 public:
  explicit Copy(std::span<const std::byte> from)
      : data_(static_cast<std::byte*>(
            aligned_alloc(kPage, (from.size() + kPage - 1) / kPage * kPage))),
        size_(from.size()) {
    memcpy(data_.get(), from.data(), size_);
  }
  [[nodiscard]] std::span<std::byte> span() const { return {data_.get(), size_}; }
  [[nodiscard]] bool equals(std::span<const std::byte> other) const {
    return memcmp(data_.get(), other.data(), size_) == 0;
  }

 private:
  static constexpr std::size_t kPage = 4096;
  struct Free {
    void operator()(std::byte* at) const { free(at); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

}  // namespace shoal::test
