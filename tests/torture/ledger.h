// What the owner of some keys has been told they hold, and what it was about when it died. A key's
// value is told by a number, its code; 0: there is no such key. Each change gives a new code.
//
//   begin     the changes are noted, and then how many there are
//   (call)
//   settle    they become what is known, and then there are none
//
// So whoever comes after a death finds all keys of the last call changed, or none of them, or the
// call was not whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace shoal::torture {

template <std::size_t kKeys, std::size_t kChangesMax>
class Ledger {
 public:
  struct Change {
    std::uint32_t key = 0;
    std::uint64_t code = 0;
  };

  [[nodiscard]] std::uint64_t known(std::size_t key) const { return known_[key].load(); }
  std::uint64_t fresh_code() { return codes_.fetch_add(1) + 1; }

  void begin(const std::vector<Change>& changes) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      changes_[i].key.store(changes[i].key);
      changes_[i].code.store(changes[i].code);
    }
    begun_.store(static_cast<std::uint32_t>(changes.size()));
  }
  void settle() {
    for (std::uint32_t i = 0; i < begun_.load(); ++i) {
      known_[changes_[i].key.load()].store(changes_[i].code.load());
    }
    begun_.store(0);
  }
  // It did not happen.
  void forget() { begun_.store(0); }

  // Whether the last call has happened, by what is there now. What is wrong, or nothing. `find`
  // gives a key's code.
  std::string resolve(absl::FunctionRef<std::uint64_t(std::size_t key)> find) {
    bool all = true;
    bool none = true;
    std::string keys;
    for (std::uint32_t i = 0; i < begun_.load(); ++i) {
      const std::uint32_t key = changes_[i].key.load();
      const std::uint64_t now = find(key);
      all = all && now == changes_[i].code.load();
      none = none && now == known(key);
      keys += " " + std::to_string(key) + ": " + std::to_string(known(key)) + " to " +
              std::to_string(changes_[i].code.load()) + ", is " + std::to_string(now);
    }
    if (!all && !none) return "half of a call whose caller died:" + keys;
    if (all) {
      settle();
    } else {
      forget();
    }
    return {};
  }

 private:
  struct Noted {
    std::atomic<std::uint32_t> key;
    std::atomic<std::uint64_t> code;
  };

  std::array<std::atomic<std::uint64_t>, kKeys> known_;
  std::array<Noted, kChangesMax> changes_;
  std::atomic<std::uint32_t> begun_;
  std::atomic<std::uint64_t> codes_;
};

}  // namespace shoal::torture
