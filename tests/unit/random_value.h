// Values of every kind, drawn from a seed: of few parts, but with every corner.
#pragma once

#include <array>
#include <bit>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "shoal/value.h"

namespace shoal::test {

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  Value any(int depth = 4) {
    switch (below(depth > 0 ? 12 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 1;
      case 2:
        return integer();
      case 3:
        return big_int();
      case 4:
        return real();
      case 5:
        return text();
      case 6:
        return Bytes(bytes(below(20)));
      case 7:
        return below(4) == 0 ? Value::opaque(text(), Bytes(bytes(below(40))))
                             : Value::reference(random_());
      case 8:
        return Value::list(items(depth));
      case 9:
        return Value::tuple(items(depth));
      case 10:
        return Value::set(items(depth));
      default:
        return Value::map(entries(depth));
    }
  }

  // Hashable in Python: what a key may be, but for NaN.
  Value key(int depth = 3) {
    switch (below(depth > 0 ? 9 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 1;
      case 2:
        return integer();
      case 3:
        return big_int();
      case 4: {
        const double number = real();
        return number == number ? number : 0.5;
      }
      case 5:
        return text();
      case 6:
        return Bytes(bytes(below(20)));
      case 7:
        return Value::opaque(text(), Bytes(bytes(below(9))));
      default: {
        std::vector<Value> parts(below(4));
        for (Value& part : parts) part = key(depth - 1);
        return Value::tuple(std::move(parts));
      }
    }
  }

  std::int64_t integer() {
    if (below(2) == 0) return static_cast<std::int64_t>(below(7)) - 3;
    return static_cast<std::int64_t>(random_()) >> below(64);
  }

  // Often just beyond, or at, what 64 bits or a double hold.
  Value big_int() {
    std::string drawn = bytes(1 + below(20));
    if (below(2) == 0) drawn = std::string(6 + below(6), '\0') + static_cast<char>(below(256));
    return Value::integer(Bytes(std::move(drawn)));
  }

  double real() {
    constexpr std::array kCorners = {0.0,
                                     -0.0,
                                     1.0,
                                     0.1,
                                     0x1p53,
                                     0x1p63,
                                     -0x1p63,
                                     0x1p64,
                                     -0x1p70,
                                     0x1.8p1000,
                                     std::numeric_limits<double>::infinity(),
                                     -std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::denorm_min(),
                                     std::numeric_limits<double>::max()};
    switch (below(3)) {
      case 0:
        return kCorners[below(kCorners.size())];
      case 1:
        return static_cast<double>(integer());
      default:
        return std::bit_cast<double>(random_());
    }
  }

  std::string text() {
    constexpr std::array kPieces = {
        "a", "", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x9f", "'", "long enough for the heap"};
    std::string out;
    for (std::uint64_t n = below(4); n-- > 0;) out += kPieces[below(kPieces.size())];
    if (below(8) == 0) out += '\0';
    return out;
  }

  std::string bytes(std::uint64_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

 private:
  std::vector<Value> items(int depth) {
    std::vector<Value> out(below(5));
    for (Value& item : out) item = any(depth - 1);
    return out;
  }
  std::vector<ValueEntry> entries(int depth) {
    std::vector<ValueEntry> out(below(4));
    for (ValueEntry& entry : out) entry = {.key = any(depth - 1), .value = any(depth - 1)};
    return out;
  }

  std::mt19937_64 random_;
};

}  // namespace shoal::test
