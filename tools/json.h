// The shapes of --json: what JSON cannot say exactly is said as text. Scripts rely on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace shoal::tools {

using Json = nlohmann::ordered_json;

// Integers up to this are exact in every JSON reader; larger ones become strings.
inline constexpr std::uint64_t kExactIntegerMax = std::uint64_t{1} << 53;

Json json_integer(std::int64_t value);
Json json_integer(std::uint64_t value);
Json json_time(absl::Time time);                         // RFC 3339
Json json_text(const std::optional<std::string>& text);  // null if there is none
std::string base64(std::span<const std::byte> bytes);

// {"version":1}: how every answer begins.
Json json_answer();

// What a user wrote. INVALID_ARGUMENT: not JSON, or with an integer the parser would round.
absl::StatusOr<Json> parse_json(std::string_view text);

// A member that is a whole number, not negative; none if it is anything else.
std::optional<std::uint64_t> count_in(const Json& json, const char* member);

// One line. What is not UTF-8 is replaced, since JSON cannot hold it.
std::string json_line(const Json& json);
void print_json(const Json& json);

}  // namespace shoal::tools
