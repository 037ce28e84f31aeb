// The manager's log: one line an event on stderr, key=value, one write(2) a line.
//
//   log(Level::kInfo, "session.open", {{"session", 7}, {"label", label}});
//   time=2026-11-21T00:00:00.000Z level=info event=session.open session=7 label="a b"
//
// Values may come from peers: whatever could forge a second field or line, or reach a terminal as a
// control sequence, is quoted and escaped. Logging never waits: if nobody reads stderr, lines are
// dropped and counted, and the next line that gets through says `dropped=N`. One thread only.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "schemas/text.h"
#include "schemas/unique_fd.h"

namespace shoal::daemon {

enum class Level { kDebug, kInfo, kWarning, kError };

std::string_view level_name(Level level);

class LogField {
 public:
  LogField(std::string_view key, const char* value) : key_(key), value_(value) {}
  template <std::integral I>
  LogField(std::string_view key, I value) : key_(key), value_(protocol::text(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value ? "true" : "false") {}
  // std::string, std::string_view and absl::string_view, which may be another type.
  template <typename S>
  requires requires(const S& s) {
    { s.data() } -> std::convertible_to<const char*>;
    { s.size() } -> std::convertible_to<std::size_t>;
  }
  LogField(std::string_view key, const S& value) : key_(key), value_(value.data(), value.size()) {}

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }

 private:
  std::string_view key_;
  std::string value_;
};

class Log {
 public:
  // Lines of a lower level than `least` are not written. `fd` stays the caller's.
  explicit Log(Level least, int fd = 2);

  void operator()(Level level, std::string_view event, std::initializer_list<LogField> fields = {});
  // For callers whose fields are costly to work out.
  [[nodiscard]] bool wants(Level level) const { return level >= least_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  [[nodiscard]] bool write_line(std::string_view line);

  Level least_;
  int fd_;
  bool socket_ = false;
  // A pipe is opened again to be written without waiting: O_NONBLOCK on `fd` itself would also
  // hit whoever shares it with us.
  protocol::UniqueFd own_pipe_;
  std::uint64_t dropped_ = 0;
};

// `value` as it stands in a line: as it is, or quoted.
std::string log_value(std::string_view value);

}  // namespace shoal::daemon
