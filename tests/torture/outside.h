// Plain memory that forked children share, independent of shoal: what a worker has been told was
// done, and what it was about, outlives it there.
#pragma once

#include <sys/mman.h>

#include <new>
#include <stdexcept>

namespace shoal::torture {

template <class T>
class Outside {
 public:
  Outside() {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory outside of shoal");
    at_ = new (memory) T{};
  }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  ~Outside() { ::munmap(at_, sizeof(T)); }

  [[nodiscard]] T& operator*() const { return *at_; }
  [[nodiscard]] T* operator->() const { return at_; }

 private:
  T* at_;
};

}  // namespace shoal::torture
