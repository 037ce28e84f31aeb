// A key of a dict, as a call takes it: text, or whatever a Value may hold that can be a key.
//
//   dict.get("alice");  dict.get(42);  dict.get(shoal::Value::tuple({1, "a"}));
//
// Keys that are equal in Python are one key: 1, 1.0 and true. A key is none, a bool, a number, text
// (UTF-8), bytes, opaque bytes, or a tuple of these, of at most 8192 bytes once encoded; any other
// Value, and NaN, make the call INVALID_ARGUMENT; to reads, text that is longer or not UTF-8 is a
// key that is not there. Text and integers take no allocation.
// A Key refers to what it was made of: make it in the call.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "shoal/export.h"
#include "shoal/value.h"

namespace shoal {

class Key {
 public:
  Key(std::string_view text) : bytes_(text) {}
  Key(const std::string& text) : bytes_(text) {}
  Key(const char* text) : bytes_(text) {}
  Key(std::nullptr_t) : Key(Value()) {}
  template <internal::FitsInt64 T>
  Key(T number) : kind_(static_cast<std::uint8_t>(ValueKind::kInt)), number_(number) {
    bytes_ = {reinterpret_cast<const char*>(&number_), sizeof number_};
  }
  Key(const Bytes& bytes)
      : bytes_(bytes.view()), kind_(static_cast<std::uint8_t>(ValueKind::kBytes)) {}
  SHOAL_EXPORT Key(const Value& value);
  template <typename T>
  requires(std::same_as<T, bool> || std::floating_point<T>) Key(T number) : Key(Value(number)) {}
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  [[nodiscard]] std::uint8_t kind() const { return kind_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  // Why it is none.
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  std::string_view bytes_;
  std::uint8_t kind_ = static_cast<std::uint8_t>(ValueKind::kString);
  std::int64_t number_ = 0;
  std::unique_ptr<std::string> storage_;
  absl::Status status_;
};

}  // namespace shoal
