// The name of a type as processes compare it: what was created as f64 cannot be opened as i64.
//
//   shoal::fingerprint<double>()                       "f64"
//   shoal::fingerprint<std::array<double, 16>>()       "f64[16]"
//
//   namespace game {
//   struct Position { float x, y; };
//   SHOAL_TYPE(Position, "game.position", 1);          // in the type's own namespace
//   }
//   shoal::fingerprint<game::Position>()               "game.position:1"
//
// A struct without SHOAL_TYPE does not compile. Raise the version with every change of its bytes.
// Texts, not typeid: they are the same for every compiler and language. At most 63 bytes.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

// Names the type `T`, which must be trivially copyable, in the namespace that it belongs to.
#define SHOAL_TYPE(T, name, version)                                                              \
  [[maybe_unused]] inline ::std::string shoal_fingerprint(const T*) {                             \
    static_assert(::std::is_trivially_copyable_v<T>, "shared values must be trivially copyable"); \
    return ::std::string(name) + ":" + ::std::to_string(version);                                 \
  }                                                                                               \
  static_assert(true)

namespace shoal {

namespace internal {

template <typename T>
concept NamedType = requires(const T* t) {
  { shoal_fingerprint(t) } -> std::same_as<std::string>;
};

template <typename T>
concept NumberType =
    (std::integral<T> && !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
     !std::same_as<T, char16_t> && !std::same_as<T, char32_t> && sizeof(T) <= 8) ||
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::byte>;

template <typename T>
struct ElementOf {
  using Type = T;
  static std::string lengths() { return {}; }
};
template <typename T, std::size_t N>
struct ElementOf<std::array<T, N>> {
  using Type = typename ElementOf<T>::Type;
  static std::string lengths() {
    return std::string("[").append(std::to_string(N)).append("]").append(ElementOf<T>::lengths());
  }
};

template <typename T>
std::string number_name() {
  // Built by appending: GCC 12 at -O3 warns wrongly of a literal + a string.
  if constexpr (std::same_as<T, bool>) return "bool";
  if constexpr (std::same_as<T, char> || std::same_as<T, std::byte>) return "u8";
  const char* const letter = std::floating_point<T> ? "f" : std::is_signed_v<T> ? "i" : "u";
  return std::string(letter).append(std::to_string(sizeof(T) * 8));
}

}  // namespace internal

// Numbers, bool, types named by SHOAL_TYPE, and std::array of these.
template <typename T>
concept Shareable = std::is_trivially_copyable_v<T> &&
    (internal::NumberType<typename internal::ElementOf<T>::Type> ||
     internal::NamedType<typename internal::ElementOf<T>::Type>);

template <Shareable T>
std::string fingerprint() {
  using Element = typename internal::ElementOf<T>::Type;
  if constexpr (internal::NumberType<Element>) {
    return internal::number_name<Element>() + internal::ElementOf<T>::lengths();
  } else {
    return shoal_fingerprint(static_cast<const Element*>(nullptr)) +
           internal::ElementOf<T>::lengths();
  }
}

}  // namespace shoal
