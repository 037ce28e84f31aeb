// shoal::Value: one value whose type is known only at run time, as in Python.
//
//   shoal::Value v = 42;
//   if (const std::int64_t* n = v.as_int()) ...
//   v = "text";                      // UTF-8
//   v = shoal::Bytes("\x00\xff", 2);  // anything
//
// Equality is Python's: 1 == 1.0 == true, a string never equals bytes, NaN equals nothing.
// A Value owns what it holds; moving is cheap. It knows nothing of shared memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "shoal/export.h"

namespace shoal {

// The numbers are part of every stored form and never change. A kind that a Value cannot hold yet
// keeps its number.
enum class ValueKind : std::uint8_t {
  kNone = 0,
  kBool = 1,
  kInt = 2,  // 64 bits, signed
  kBigInt = 3,
  kDouble = 4,
  kString = 5,  // UTF-8
  kBytes = 6,
  kList = 7,
  kTuple = 8,
  kSet = 9,
  kMap = 10,
  kOpaque = 11,     // bytes with a tag
  kReference = 12,  // to another object
};

// "none", "int64", "string", ...: the words used in messages.
constexpr std::string_view kind_name(ValueKind kind) {
  constexpr std::string_view kNames[] = {"none",   "bool",   "int64",    "bigint", "double",
                                         "string", "bytes",  "list",     "tuple",  "set",
                                         "map",    "opaque", "reference"};
  const auto number = static_cast<std::size_t>(kind);
  return number < std::size(kNames) ? kNames[number] : "unknown";
}

// Python's `bytes`: a type of its own, so that text and bytes are never mixed up.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string data) : data_(std::move(data)) {}
  explicit Bytes(std::string_view data) : data_(data) {}
  explicit Bytes(const char* data) : data_(data) {}
  Bytes(const char* data, std::size_t size) : data_(data, size) {}
  explicit Bytes(std::span<const std::byte> data)
      : data_(reinterpret_cast<const char*>(data.data()), data.size()) {}

  [[nodiscard]] const char* data() const { return data_.data(); }
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] bool empty() const { return data_.empty(); }
  [[nodiscard]] std::string_view view() const { return data_; }
  [[nodiscard]] std::span<const std::byte> span() const {
    return std::as_bytes(std::span(data_.data(), data_.size()));
  }
  [[nodiscard]] std::string release() && { return std::move(data_); }

  friend bool operator==(const Bytes&, const Bytes&) = default;

 private:
  friend class Value;

  std::string data_;
};

namespace internal {

template <typename T>
concept Character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
    std::same_as<T, char16_t> || std::same_as<T, char32_t>;

// Integers every value of which is an int64. uint64 is not: cast it, having looked at it.
template <typename T>
concept FitsInt64 = std::integral<T> && !std::same_as<T, bool> && !Character<T> &&
                    (std::signed_integral<T> || sizeof(T) < sizeof(std::int64_t)) &&
                    sizeof(T) <= sizeof(std::int64_t);

// True if both are the same number. No rounding: 2^53 + 1 is not 2^53.
inline bool same_number(std::int64_t a, double b) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (!(b >= -kLimit && b < kLimit)) return false;  // also NaN
  const auto whole = static_cast<std::int64_t>(b);
  return static_cast<double>(whole) == b && whole == a;
}

}  // namespace internal

class Value {
 public:
  Value() = default;               // none
  Value(std::nullptr_t) {}         // none
  template <std::same_as<bool> T>  // a pointer must not become a bool
  Value(T value) : kind_(ValueKind::kBool), truth_(value) {}
  template <internal::FitsInt64 T>
  Value(T value) : kind_(ValueKind::kInt), number_(static_cast<std::int64_t>(value)) {}
  Value(double value) : kind_(ValueKind::kDouble), real_(value) {}
  Value(float value) : Value(static_cast<double>(value)) {}
  Value(std::string text) : kind_(ValueKind::kString), text_(std::move(text)) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Bytes bytes) : kind_(ValueKind::kBytes), text_(std::move(bytes)) {}
  template <typename T>
  requires(std::is_arithmetic_v<T> && !std::same_as<T, bool> && !internal::FitsInt64<T> &&
           !std::same_as<T, double> && !std::same_as<T, float>) Value(T)
  = delete;  // would not fit: say what you mean by a cast

  [[nodiscard]] ValueKind kind() const { return kind_; }

  [[nodiscard]] bool is_none() const { return kind() == ValueKind::kNone; }
  [[nodiscard]] bool is_bool() const { return kind() == ValueKind::kBool; }
  [[nodiscard]] bool is_int() const { return kind() == ValueKind::kInt; }
  [[nodiscard]] bool is_double() const { return kind() == ValueKind::kDouble; }
  [[nodiscard]] bool is_string() const { return kind() == ValueKind::kString; }
  [[nodiscard]] bool is_bytes() const { return kind() == ValueKind::kBytes; }

  // What is held, or null if it is of another kind. Nothing is converted.
  [[nodiscard]] const bool* as_bool() const { return is_bool() ? &truth_ : nullptr; }
  [[nodiscard]] const std::int64_t* as_int() const { return is_int() ? &number_ : nullptr; }
  [[nodiscard]] const double* as_double() const { return is_double() ? &real_ : nullptr; }
  [[nodiscard]] const std::string* as_string() const {
    return is_string() ? &text_.data_ : nullptr;
  }
  [[nodiscard]] const Bytes* as_bytes() const { return is_bytes() ? &text_ : nullptr; }

  // As Python's repr(): None, True, 1, 1.0, 'text', b'\x00'.
  [[nodiscard]] SHOAL_EXPORT std::string to_string() const;

  friend bool operator==(const Value& a, const Value& b) {
    const std::optional<std::int64_t> left = a.whole();
    const std::optional<std::int64_t> right = b.whole();
    if (left && right) return *left == *right;
    if (left && b.is_double()) return internal::same_number(*left, *b.as_double());
    if (right && a.is_double()) return internal::same_number(*right, *a.as_double());
    if (a.kind_ != b.kind_) return false;
    return a.is_double() ? a.real_ == b.real_ : a.text_ == b.text_;
  }

 private:
  // A bool or an int64 as a number.
  [[nodiscard]] std::optional<std::int64_t> whole() const {
    if (const bool* truth = as_bool()) return *truth ? 1 : 0;
    if (const std::int64_t* number = as_int()) return *number;
    return std::nullopt;
  }

  // Plain members, not a std::variant: GCC 12 at -O3 warns wherever a variant of strings is moved.
  ValueKind kind_ = ValueKind::kNone;
  bool truth_ = false;
  union {
    std::int64_t number_ = 0;
    double real_;
  };
  Bytes text_;  // of a string too
};

SHOAL_EXPORT std::ostream& operator<<(std::ostream& out, const Value& value);

}  // namespace shoal
