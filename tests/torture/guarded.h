// What a lock guards in the torture: words that show whether two were in at once, whether a token
// failed to grow, and whether a death went untold.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "tests/torture/board.h"

namespace shoal::torture {

class Guarded {
 public:
  static constexpr std::size_t kWords = 4;

  explicit Guarded(std::span<std::uint64_t> words) : words_(words) {}

  // Having acquired the lock. `abandoned`: it said so; then whatever was left here is mended, and
  // true returned: the caller marks the lock consistent, and then enters.
  bool look(const Worker& worker, std::string_view lock, bool abandoned) const {
    const std::uint64_t inside = word(kInside).load();
    if (!abandoned && inside != 0) {
      worker.fail(std::string(lock) + ": another is in, seat " +
                  std::to_string((inside & 0xff) - 1));
    }
    if (!abandoned && word(kFirst).load() != word(kSecond).load()) {
      worker.fail(std::string(lock) + ": half a change, and nobody said that its maker died");
    }
    if (!abandoned) return false;
    word(kSecond).store(word(kFirst).load());
    word(kInside).store(0);
    return true;
  }

  void enter(const Worker& worker, std::string_view lock, std::uint64_t token) const {
    if (word(kToken).load() >= token) worker.fail(std::string(lock) + ": the token did not grow");
    word(kInside).store(worker.mark());
    word(kToken).store(token);
    word(kFirst).fetch_add(1);
  }

  // Before the release.
  void leave(const Worker& worker, std::string_view lock) const {
    if (word(kInside).load() != worker.mark()) worker.fail(std::string(lock) + ": another came in");
    word(kSecond).fetch_add(1);
    word(kInside).store(0);
  }

  // For a reader, who keeps it out.
  [[nodiscard]] std::uint64_t inside() const { return word(kInside).load(); }
  [[nodiscard]] bool is_whole() const { return word(kFirst).load() == word(kSecond).load(); }

 private:
  enum Which : std::size_t { kInside, kToken, kFirst, kSecond };
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(Which which) const {
    return std::atomic_ref(words_[which]);
  }

  std::span<std::uint64_t> words_;
};

}  // namespace shoal::torture
