// What lies under the keys of the torture: a value says whose it is, which key's, and which of its
// values, and is the same from end to end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <shoal/shoal.h>

namespace shoal::torture {

// Of no atomic size.
struct OwnedRecord {
  std::uint64_t seat = 0;
  std::uint64_t key = 0;
  std::array<std::uint64_t, 9> codes = {};
};
SHOAL_TYPE(OwnedRecord, "shoal.torture.owned_record", 1);

inline OwnedRecord record_of(std::size_t seat, std::size_t key, std::uint64_t code) {
  OwnedRecord record{.seat = seat, .key = key};
  record.codes.fill(code);
  return record;
}
inline std::optional<std::uint64_t> code_in(std::size_t seat, std::size_t key,
                                            const OwnedRecord& record) {
  if (record.seat != seat || record.key != key) return std::nullopt;
  for (const std::uint64_t code : record.codes) {
    if (code != record.codes[0]) return std::nullopt;
  }
  return record.codes[0];
}

// Mostly short; some longer than fits beside the key, a few of many pages.
inline std::size_t filler_of(std::uint64_t code) {
  if (code % 400 == 7) return 70'000;
  if (code % 50 == 3) return 3000 + code % 2000;
  return code % 90;
}
inline std::string text_of(std::size_t seat, std::size_t key, std::uint64_t code) {
  return std::to_string(seat) + '/' + std::to_string(key) + '/' + std::to_string(code) + '/' +
         std::string(filler_of(code), static_cast<char>('a' + code % 26));
}

// Every fourth key has numbers, which can be added to.
inline bool is_number(std::size_t key) { return key % 4 == 0; }
inline Value value_of(std::size_t seat, std::size_t key, std::uint64_t code) {
  if (is_number(key)) return static_cast<std::int64_t>(code);
  return text_of(seat, key, code);
}
// Nullopt: it is none of this key's values.
inline std::optional<std::uint64_t> code_in(std::size_t seat, std::size_t key, const Value& value) {
  if (is_number(key)) {
    if (!value.is_int() || *value.as_int() <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(*value.as_int());
  }
  if (!value.is_string()) return std::nullopt;
  const std::string& text = *value.as_string();
  const std::string head = std::to_string(seat) + '/' + std::to_string(key) + '/';
  if (text.compare(0, head.size(), head) != 0) return std::nullopt;
  const std::uint64_t code = std::strtoull(text.c_str() + head.size(), nullptr, 10);
  if (text != text_of(seat, key, code)) return std::nullopt;
  return code;
}

}  // namespace shoal::torture
