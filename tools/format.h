// Text for people, and back: sizes, ages, users, modes, names. Pure functions but for the user
// database.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::tools {

// "512 B", "1.5 MiB".
std::string size_text(std::uint64_t bytes);
// "1.5 MiB (1572864 bytes)".
std::string exact_size_text(std::uint64_t bytes);

// "3m ago".
std::string age_text(absl::Time then, absl::Time now = absl::Now());

// RFC 3339, in UTC.
std::string time_text(absl::Time time);

// Names, labels and paths come from other people: nothing in them may steer a terminal. Control
// characters, direction marks, backslashes and what is not UTF-8 come out as escapes.
std::string escaped(std::string_view text);
// The same for whole messages, which may have lines and may have escapes already.
std::string harmless(std::string_view text);

// The columns that `text`, already escaped, takes on a terminal.
std::size_t columns(std::string_view text);

std::string mode_text(mode_t mode);  // "0660"
std::optional<std::string> user_name(uid_t uid);
std::optional<std::string> group_name(gid_t gid);
std::string user_text(uid_t uid);  // "1000 (ann)", or "1000"
std::string group_text(gid_t gid);

// "00000010  68 65 6c 6c 6f ...  |hello...|", 16 bytes a line, the first byte numbered `offset`.
std::string hex_lines(std::span<const std::byte> bytes, std::uint64_t offset);

std::optional<std::int64_t> parse_integer(const std::string& text);
std::optional<std::uint64_t> parse_id(const std::string& text);
// "4096", "64KiB", "1.5G": units are powers of 1024.
std::optional<std::uint64_t> parse_size(const std::string& text);
std::optional<mode_t> parse_mode(const std::string& text);
// A name of the user database, or a number.
std::optional<uid_t> parse_user(const std::string& text);
std::optional<gid_t> parse_group(const std::string& text);

}  // namespace shoal::tools
