// Equality of Values where a look at two words does not tell (shoal/value.h), and their order
// (value_parts.h).
//
// Sets and maps are equal whatever their order: both sides are sorted, which stays quick with any
// content, where a hash table could be made slow by whoever wrote it.
#include <algorithm>
#include <cmath>
#include <compare>
#include <functional>

#include "memory/bigint.h"
#include "memory/value_parts.h"

namespace shoal {
namespace {

int order(std::strong_ordering result) { return result < 0 ? -1 : result > 0 ? 1 : 0; }
int order(std::string_view a, std::string_view b) { return order(a <=> b); }

bool is_number(const Value& value) {
  return value.kind() >= ValueKind::kBool && value.kind() <= ValueKind::kDouble;
}

std::string whole(const Value& value) {
  if (const Bytes* big = value.as_big_int()) return std::string(big->view());
  if (const bool* truth = value.as_bool()) return memory::big_int_of(std::int64_t{*truth});
  return memory::big_int_of(*value.as_int());
}

// An integer and a double that is a number. What the double has behind the point decides last.
int order_integer(const Value& integer, double real) {
  if (std::isinf(real)) return real < 0 ? 1 : -1;
  const double floor = std::floor(real);
  const int result = memory::compare_big_ints(whole(integer), memory::big_int_of(floor));
  return result == 0 && floor != real ? -1 : result;
}

// As numbers; NaN is behind all others.
int order_numbers(const Value& a, const Value& b) {
  const double* left = a.as_double();
  const double* right = b.as_double();
  const bool left_nan = left != nullptr && std::isnan(*left);
  const bool right_nan = right != nullptr && std::isnan(*right);
  if (left_nan || right_nan) return int{left_nan} - int{right_nan};
  if (left != nullptr && right != nullptr) return *left < *right ? -1 : *left > *right ? 1 : 0;
  if (left != nullptr) return -order_integer(b, *left);
  if (right != nullptr) return order_integer(a, *right);
  if (a.is_int() && b.is_int()) return order(*a.as_int() <=> *b.as_int());
  return memory::compare_big_ints(whole(a), whole(b));
}

int order_values(const Value& a, const Value& b, int depth);

int order_entries(const ValueEntry& a, const ValueEntry& b, int depth) {
  const int keys = order_values(a.key, b.key, depth);
  return keys != 0 ? keys : order_values(a.value, b.value, depth);
}
int order_entries(const Value& a, const Value& b, int depth) { return order_values(a, b, depth); }

template <typename T>
std::vector<const T*> sorted(std::span<const T> all, int depth) {
  std::vector<const T*> out;
  out.reserve(all.size());
  for (const T& one : all) out.push_back(&one);
  std::ranges::stable_sort(
      out, [&](const T* x, const T* y) { return order_entries(*x, *y, depth) < 0; });
  return out;
}

template <typename T>
int order_unordered(std::span<const T> a, std::span<const T> b, int depth) {
  const auto left = sorted(a, depth);
  const auto right = sorted(b, depth);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (const int result = order_entries(*left[i], *right[i], depth); result != 0) return result;
  }
  return 0;
}

// A total order in which exactly what is equal stands side by side, but for NaN. What is too deep
// is ordered by where it lies.
int order_values(const Value& a, const Value& b, int depth) {
  if (is_number(a) && is_number(b)) return order_numbers(a, b);
  if (a.kind() != b.kind()) return a.kind() < b.kind() ? -1 : 1;
  if (const std::string* text = a.as_string()) return order(*text, *b.as_string());
  if (const Bytes* bytes = a.as_bytes()) return order(bytes->view(), b.as_bytes()->view());
  if (const std::uint64_t* id = a.as_reference()) return order(*id <=> *b.as_reference());
  if (const Bytes* bytes = a.as_unknown()) return order(bytes->view(), b.as_unknown()->view());
  if (a.is_opaque()) {
    const Opaque none;
    const Opaque& left = a.as_opaque() != nullptr ? *a.as_opaque() : none;
    const Opaque& right = b.as_opaque() != nullptr ? *b.as_opaque() : none;
    const int tags = order(left.tag, right.tag);
    return tags != 0 ? tags : order(left.bytes.view(), right.bytes.view());
  }
  const auto left = a.items();
  const auto right = b.items();
  if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
  if (a.entries().size() != b.entries().size()) {
    return a.entries().size() < b.entries().size() ? -1 : 1;
  }
  if (depth == 0) {
    if (left.data() == right.data() && a.entries().data() == b.entries().data()) return 0;
    return a.is_map() ? (std::less<>()(a.entries().data(), b.entries().data()) ? -1 : 1)
                      : (std::less<>()(left.data(), right.data()) ? -1 : 1);
  }
  if (a.is_set()) return order_unordered(left, right, depth - 1);
  if (a.is_map()) return order_unordered(a.entries(), b.entries(), depth - 1);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (const int result = order_values(left[i], right[i], depth - 1); result != 0) return result;
  }
  return 0;
}

bool equal_values(const Value& a, const Value& b, int depth);

bool equal_entries(const ValueEntry& a, const ValueEntry& b, int depth) {
  return equal_values(a.key, b.key, depth) && equal_values(a.value, b.value, depth);
}
bool equal_entries(const Value& a, const Value& b, int depth) { return equal_values(a, b, depth); }

template <typename T>
bool equal_unordered(std::span<const T> a, std::span<const T> b, int depth) {
  const auto left = sorted(a, depth);
  const auto right = sorted(b, depth);
  return std::ranges::equal(left, right,
                            [&](const T* x, const T* y) { return equal_entries(*x, *y, depth); });
}

bool holds_values(const Value& value) {
  return value.kind() >= ValueKind::kList && value.kind() <= ValueKind::kMap;
}

bool equal_values(const Value& a, const Value& b, int depth) {
  if (!holds_values(a) || !holds_values(b)) {
    const double* real = a.as_double();
    return (real == nullptr || !std::isnan(*real)) && order_values(a, b, 0) == 0;
  }
  if (a.kind() != b.kind() || a.items().size() != b.items().size() ||
      a.entries().size() != b.entries().size()) {
    return false;
  }
  // A copy, as in Python, where what is the same object is equal.
  if (a.items().data() == b.items().data() && a.entries().data() == b.entries().data()) return true;
  if (depth == 0) return false;
  if (a.is_set()) return equal_unordered(a.items(), b.items(), depth - 1);
  if (a.is_map()) return equal_unordered(a.entries(), b.entries(), depth - 1);
  return std::ranges::equal(a.items(), b.items(), [&](const Value& x, const Value& y) {
    return equal_values(x, y, depth - 1);
  });
}

std::optional<int> order_like_python(const Value& a, const Value& b, int depth) {
  if (is_number(a) && is_number(b)) return order_numbers(a, b);
  if (a.kind() != b.kind()) return std::nullopt;
  if (a.is_string() || a.is_bytes()) return order_values(a, b, 0);
  if ((!a.is_list() && !a.is_tuple()) || depth == 0) return std::nullopt;
  const auto left = a.items();
  const auto right = b.items();
  const auto [x, y] = std::ranges::mismatch(left, right, [&](const Value& one, const Value& other) {
    return equal_values(one, other, depth - 1);
  });
  if (x != left.end() && y != right.end()) return order_like_python(*x, *y, depth - 1);
  return order(left.size() <=> right.size());
}

}  // namespace

std::optional<int> internal::python_order(const Value& a, const Value& b) {
  return order_like_python(a, b, Value::kDepthMax);
}

bool Value::equal(const Value& a, const Value& b) { return equal_values(a, b, kDepthMax); }

}  // namespace shoal
