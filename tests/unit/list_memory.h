// A ShareableList in private memory, aligned as a mapping is, for tests that look at its bytes.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "memory/shareable_list.h"

namespace shoal::memory {

class ListMemory {
 public:
  explicit ListMemory(const std::vector<Value>& values) : size_(bytes_needed(values).value()) {
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, round_up(size_, 4096))));
    if (!format(bytes(), values).ok()) std::abort();
  }

  std::span<std::byte> bytes() const { return {data_.get(), size_}; }
  std::vector<std::byte> copy() const { return {data_.get(), data_.get() + size_}; }
  // Without what tells that somebody waits.
  std::vector<std::byte> copy_but_event() const {
    std::vector<std::byte> bytes = copy();
    std::memset(&bytes[trailer() + kShadowEventOffset], 0, 4);
    return bytes;
  }
  ListView view() const { return ListView::attach(bytes()).value(); }

  std::uint64_t word(std::size_t at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, data_.get() + at, 8);
    return value;
  }
  void put_word(std::size_t at, std::uint64_t value) { std::memcpy(data_.get() + at, &value, 8); }

  std::size_t trailer() const {
    const std::uint64_t count = word(0);
    return round_up(list_plain_bytes(count, word(8 + 8 * count)), kLineBytes);
  }
  std::uint64_t shadow() const { return word(trailer() + kShadowWordOffset); }
  void set_shadow(std::uint64_t value) { put_word(trailer() + kShadowWordOffset, value); }
  // As the stdlib leaves it.
  void cut_trailer() { size_ = list_plain_bytes(word(0), word(8 + 8 * word(0))); }

 private:
  struct Free {
    void operator()(std::byte* at) const { std::free(at); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

}  // namespace shoal::memory
