// shoal::Value: one value whose type is known only at run time, as in Python.
//
//   shoal::Value v = 42;
//   if (const std::int64_t* n = v.as_int()) ...
//   v = "text";                      // UTF-8
//   v = shoal::Bytes("\x00\xff", 2);  // anything
//   v = shoal::Value::list({1, "two", shoal::Value::tuple({3.0, nullptr})});
//   v = shoal::Value::map({{"name", "alice"}, {7, shoal::Value::set({1, 2})}});
//   for (const shoal::ValueEntry& entry : v.entries()) ...
//
// Equality is Python's: 1 == 1.0 == true, a string never equals bytes, a list never a tuple, NaN
// equals nothing, sets and maps are equal whatever their order.
// A Value owns what it holds; moving is cheap. Lists, tuples, sets, maps and opaque values never
// change once they are made: their copies share them, in any threads, and cost next to nothing.
// It knows nothing of shared memory.
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
#include <vector>

#include "shoal/export.h"

namespace shoal {

// The numbers are part of every stored form and never change. A value of a later release's kind
// keeps its number and its bytes.
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
inline constexpr std::uint8_t kValueKindMax = 12;  // of those that this release knows

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

// Bytes that only whoever knows the tag understands, such as a pickle.
struct Opaque {
  std::string tag;  // UTF-8
  Bytes bytes;

  friend bool operator==(const Opaque&, const Opaque&) = default;
};

class Value;
struct ValueEntry;

namespace internal {

// What a structured value is made of. Counted, since its copies share it.
struct ValueParts;
class SharedParts {
 public:
  SharedParts() = default;
  SharedParts(const SharedParts& other) : parts_(other.parts_) {
    if (parts_ != nullptr) retain(parts_);
  }
  SharedParts(SharedParts&& other) noexcept : parts_(std::exchange(other.parts_, nullptr)) {}
  SharedParts& operator=(SharedParts other) noexcept {
    std::swap(parts_, other.parts_);
    return *this;
  }
  ~SharedParts() {
    if (parts_ != nullptr) release(parts_);
  }

 private:
  friend class shoal::Value;

  SHOAL_EXPORT static void retain(ValueParts* parts) noexcept;
  SHOAL_EXPORT static void release(ValueParts* parts) noexcept;

  ValueParts* parts_ = nullptr;
};

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

  // Any values, in order. Nested deeper than kDepthMax they cannot be stored.
  SHOAL_EXPORT static Value list(std::vector<Value> items);
  SHOAL_EXPORT static Value tuple(std::vector<Value> items);
  // Elements, or keys, that are equal should be there once: nobody looks for them.
  SHOAL_EXPORT static Value set(std::vector<Value> items);
  SHOAL_EXPORT static Value map(std::vector<ValueEntry> entries);
  SHOAL_EXPORT static Value opaque(std::string tag, Bytes bytes);
  // To the object of this id.
  SHOAL_EXPORT static Value reference(std::uint64_t id);
  // An integer of any size from its two's complement, least byte first, as Python's
  // int.from_bytes(bytes, "little", signed=True). It is a kInt if 64 bits hold it.
  SHOAL_EXPORT static Value integer(const Bytes& twos_complement);
  // The same from text, decimal or after 0x hexadecimal, with or without a sign; nullopt if it is
  // none, or has more than 20,000 decimal digits (reading them takes time with their square).
  SHOAL_EXPORT static std::optional<Value> parse_integer(std::string_view text);
  // A value of a later release's kind, as it was found: `kind` is above kValueKindMax.
  SHOAL_EXPORT static Value unknown(std::uint8_t kind, Bytes bytes);

  // How deep values may be nested: a number or a text is 1, an empty list 1, [[1]] 3. Deeper ones
  // can be made and destroyed, but not stored; to_string() leaves out what lies deeper, and they
  // equal only their own copies.
  static constexpr int kDepthMax = 100;

  [[nodiscard]] ValueKind kind() const { return kind_; }

  [[nodiscard]] bool is_none() const { return kind() == ValueKind::kNone; }
  [[nodiscard]] bool is_bool() const { return kind() == ValueKind::kBool; }
  [[nodiscard]] bool is_int() const { return kind() == ValueKind::kInt; }
  [[nodiscard]] bool is_double() const { return kind() == ValueKind::kDouble; }
  [[nodiscard]] bool is_string() const { return kind() == ValueKind::kString; }
  [[nodiscard]] bool is_bytes() const { return kind() == ValueKind::kBytes; }
  [[nodiscard]] bool is_big_int() const { return kind() == ValueKind::kBigInt; }
  [[nodiscard]] bool is_list() const { return kind() == ValueKind::kList; }
  [[nodiscard]] bool is_tuple() const { return kind() == ValueKind::kTuple; }
  [[nodiscard]] bool is_set() const { return kind() == ValueKind::kSet; }
  [[nodiscard]] bool is_map() const { return kind() == ValueKind::kMap; }
  [[nodiscard]] bool is_opaque() const { return kind() == ValueKind::kOpaque; }
  [[nodiscard]] bool is_reference() const { return kind() == ValueKind::kReference; }
  [[nodiscard]] bool is_unknown() const { return kind() > ValueKind::kReference; }

  // What is held, or null if it is of another kind. Nothing is converted.
  [[nodiscard]] const bool* as_bool() const { return is_bool() ? &truth_ : nullptr; }
  [[nodiscard]] const std::int64_t* as_int() const { return is_int() ? &number_ : nullptr; }
  [[nodiscard]] const double* as_double() const { return is_double() ? &real_ : nullptr; }
  [[nodiscard]] const std::string* as_string() const {
    return is_string() ? &text_.data_ : nullptr;
  }
  [[nodiscard]] const Bytes* as_bytes() const { return is_bytes() ? &text_ : nullptr; }
  // Two's complement, least byte first, not a byte more than needed.
  [[nodiscard]] const Bytes* as_big_int() const { return is_big_int() ? &text_ : nullptr; }
  [[nodiscard]] const std::uint64_t* as_reference() const {
    return is_reference() ? &id_ : nullptr;
  }
  [[nodiscard]] const Bytes* as_unknown() const { return is_unknown() ? &text_ : nullptr; }
  [[nodiscard]] SHOAL_EXPORT const Opaque* as_opaque() const;
  // Of a list, a tuple or a set; of all else none.
  [[nodiscard]] SHOAL_EXPORT std::span<const Value> items() const;
  // Of a map, in order; of all else none.
  [[nodiscard]] SHOAL_EXPORT std::span<const ValueEntry> entries() const;

  // As Python's repr(): None, True, 1, 1.0, 'text', b'\x00', [1, (2,)], {'a': {1}}.
  [[nodiscard]] SHOAL_EXPORT std::string to_string() const;

  friend bool operator==(const Value& a, const Value& b) {
    const std::optional<std::int64_t> left = a.whole();
    const std::optional<std::int64_t> right = b.whole();
    if (left && right) return *left == *right;
    if (left && b.is_double()) return internal::same_number(*left, *b.as_double());
    if (right && a.is_double()) return internal::same_number(*right, *a.as_double());
    if (a.is_double() && b.is_double()) return a.real_ == b.real_;
    if ((a.is_string() && b.is_string()) || (a.is_bytes() && b.is_bytes())) {
      return a.text_ == b.text_;
    }
    return equal(a, b);
  }

 private:
  friend class internal::SharedParts;

  SHOAL_EXPORT static bool equal(const Value& a, const Value& b);
  Value(ValueKind kind, internal::ValueParts* parts) : kind_(kind) { parts_.parts_ = parts; }

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
    std::uint64_t id_;
  };
  Bytes text_;  // of a string, a bigint and an unknown kind too
  internal::SharedParts parts_;
};

struct ValueEntry {
  Value key;
  Value value;

  friend bool operator==(const ValueEntry&, const ValueEntry&) = default;
};

SHOAL_EXPORT std::ostream& operator<<(std::ostream& out, const Value& value);

}  // namespace shoal
