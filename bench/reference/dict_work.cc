// See dict_work.h.
#include "reference/dict_work.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "reference/work.h"

namespace reference {

Key make_key(std::uint64_t n) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  Key key;
  std::uint64_t random = 0;
  for (std::size_t i = 0; i < kKeyBytes; ++i, random >>= 6) {
    if (i % 8 == 0) random = mix(2 * n + i / 8);
    key[i] = kLetters[random % 64];
  }
  return key;
}

const Keys& keys_of(std::size_t entries) {
  static std::map<std::size_t, std::unique_ptr<Keys>> made;
  std::unique_ptr<Keys>& keys = made[entries];
  if (keys != nullptr) return *keys;
  keys = std::make_unique<Keys>();
  for (std::size_t n = 0; n < entries; ++n) {
    keys->present.push_back(make_key(n));
    keys->absent.push_back(make_key(entries + n));
  }
  keys->insertion.resize(entries);
  std::iota(keys->insertion.begin(), keys->insertion.end(), 0U);
  std::shuffle(keys->insertion.begin(), keys->insertion.end(), std::mt19937_64(entries));
  return *keys;
}

template <>
const std::array<std::int64_t, kValues>& values() {
  static const auto made = [] {
    std::array<std::int64_t, kValues> all;
    for (std::size_t i = 0; i < kValues; ++i) all[i] = static_cast<std::int64_t>(mix(i) >> 1);
    return all;
  }();
  return made;
}

template <>
const std::array<Bytes64, kValues>& values() {
  static const auto made = [] {
    std::array<Bytes64, kValues> all;
    for (std::size_t i = 0; i < kValues; ++i) {
      for (std::size_t word = 0; word < sizeof(Bytes64) / 8; ++word) {
        const std::uint64_t random = mix(i * 8 + word);
        std::memcpy(all[i].data() + word * 8, &random, 8);
      }
    }
    return all;
  }();
  return made;
}

}  // namespace reference
