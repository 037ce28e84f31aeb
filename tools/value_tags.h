// The names of the members by which values.h tells kinds apart that JSON does not know.
#pragma once

#include <algorithm>
#include <string_view>

namespace shoal::tools {

inline constexpr std::string_view kIntTag = "int";
inline constexpr std::string_view kDoubleTag = "double";
inline constexpr std::string_view kBytesTag = "bytes";
inline constexpr std::string_view kTupleTag = "tuple";
inline constexpr std::string_view kSetTag = "set";
inline constexpr std::string_view kMapTag = "map";
inline constexpr std::string_view kOpaqueTag = "opaque";
inline constexpr std::string_view kObjectTag = "object";
inline constexpr std::string_view kKindTag = "kind";
// Beside "opaque".
inline constexpr std::string_view kOpaqueNameTag = "tag";

inline bool is_value_tag(std::string_view key) {
  constexpr std::string_view kTags[] = {kIntTag, kDoubleTag, kBytesTag,  kTupleTag, kSetTag,
                                        kMapTag, kOpaqueTag, kObjectTag, kKindTag};
  return std::ranges::find(kTags, key) != std::ranges::end(kTags);
}

}  // namespace shoal::tools
