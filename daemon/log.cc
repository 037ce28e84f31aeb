// See log.h.
#include "daemon/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "schemas/names.h"

namespace shoal::daemon {
namespace {

// A pipe that poll() calls writable takes this much without waiting (PIPE_BUF).
constexpr std::size_t kLineBytesMax = 4096;
constexpr std::size_t kValueBytesMax = 1024;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./:@%+,#~[]()").find(c) != std::string_view::npos;
}

std::string now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ",
                static_cast<int>(time.tv_nsec / 1'000'000));
  return text;
}

// One byte, or the two of a C1 control character, may not be seen by a terminal.
bool is_control(std::string_view rest) {
  const auto c = static_cast<std::uint8_t>(rest[0]);
  return c < 0x20 || c == 0x7f ||
         (c == 0xc2 && rest.size() > 1 && static_cast<std::uint8_t>(rest[1]) < 0xa0);
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "unknown";
}

std::string log_value(std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (!value.empty() && value.size() <= kValueBytesMax && std::ranges::all_of(value, is_plain)) {
    return std::string(value);
  }
  const bool utf8 = protocol::is_utf8(value);
  std::string out = "\"";
  std::size_t i = 0;
  for (; i < value.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(value[i]);
    const bool inside_character = utf8 && (c & 0xc0) == 0x80;
    if (out.size() > kValueBytesMax && !inside_character) break;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += value[i];
    } else if (c == '\n') {
      out += "\\n";
    } else if (is_control(value.substr(i)) || (c >= 0x80 && !utf8)) {
      const std::size_t bytes = c == 0xc2 && utf8 ? 2 : 1;
      for (std::size_t k = 0; k < bytes; ++k) {
        const auto b = static_cast<std::uint8_t>(value[i + k]);
        out += "\\x";
        out += kHex[b >> 4];
        out += kHex[b & 15];
      }
      i += bytes - 1;
    } else {
      out += value[i];
    }
  }
  if (i < value.size()) out += "...";
  out += '"';
  return out;
}

Log::Log(Level least, int fd) : least_(least), fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  socket_ = S_ISSOCK(status.st_mode);
  if (S_ISFIFO(status.st_mode)) {
    const std::string path = protocol::text("/proc/self/fd/", fd);
    own_pipe_.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  }
}

void Log::operator()(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!wants(level)) return;
  std::string line =
      protocol::text("time=", now(), " level=", level_name(level), " event=", log_value(event));
  if (dropped_ != 0) line += protocol::text(" dropped=", dropped_);
  for (const LogField& field : fields) {
    const std::string piece = protocol::text(" ", field.key(), "=", log_value(field.value()));
    if (line.size() + piece.size() + sizeof " cut=true\n" > kLineBytesMax) {
      line += " cut=true";
      break;
    }
    line += piece;
  }
  line += '\n';
  if (write_line(line)) {
    dropped_ = 0;
  } else {
    ++dropped_;
  }
}

bool Log::write_line(std::string_view line) {
  const int fd = own_pipe_.valid() ? own_pipe_.get() : fd_;
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  // A reader that is gone would answer the write with SIGPIPE.
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0 ||
      (ready.revents & (POLLERR | POLLNVAL)) != 0) {
    return false;
  }
  ssize_t written = -1;
  do {
    written = socket_ ? ::send(fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                      : ::write(fd, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(line.size());
}

}  // namespace shoal::daemon
