// See options.h.
#include "daemon/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>

#include "memory/layout.h"
#include "schemas/limits.h"
#include "schemas/memory_gauge.h"
#include "schemas/text.h"

namespace shoal::daemon {
namespace {

using protocol::text;

constexpr std::uint64_t kWarmBytes = std::uint64_t{256} << 20;
constexpr std::uint32_t kSlowWaitMs = 10'000;

// Why a value was refused, or nothing.
using Refusal = std::optional<std::string>;

struct Parsed {
  Options options;
  std::uint64_t memory_bytes;
  // Sizes whose default follows from another one.
  std::optional<std::uint64_t> memory_max;
  std::optional<std::uint64_t> warm_bytes;
  std::optional<std::uint64_t> quota;
  std::optional<std::uint64_t> arena_size;
};

struct Flag {
  std::string_view name;
  std::string_view value;  // what --help calls it; empty: takes none
  std::string_view help;
  Refusal (*set)(Parsed&, std::string_view);
};

Refusal parse_size(std::string_view value, std::uint64_t memory_bytes, std::uint64_t& out) {
  static constexpr std::pair<std::string_view, int> kUnits[] = {
      {"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc::result_out_of_range) return "is too large";
  if (error != std::errc{}) return "is not a size; give bytes, or 64KiB, 512MiB, 2GiB, 50%";
  const std::string_view unit = value.substr(static_cast<std::size_t>(end - value.data()));
  if (unit == "%") {
    if (number > 100) return "is more than 100%";
    out = memory_bytes / 100 * number + memory_bytes % 100 * number / 100;
    return std::nullopt;
  }
  for (const auto& [name, shift] : kUnits) {
    if (unit != name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return "is too large";
    out = number << shift;
    return std::nullopt;
  }
  return text("has an unknown unit \"", unit, "\"; units are KiB, MiB, GiB, TiB and %");
}

Refusal parse_size(std::string_view value, const Parsed& parsed,
                   std::optional<std::uint64_t>& out) {
  std::uint64_t size = 0;
  Refusal refusal = parse_size(value, parsed.memory_bytes, size);
  if (!refusal) out = size;
  return refusal;
}

Refusal parse_mode(std::string_view value, mode_t most, mode_t& out) {
  mode_t mode = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), mode, 8);
  if (error != std::errc{} || end != value.data() + value.size() || (mode & ~most) != 0) {
    return "is not a mode; give octal digits, rw for owner, group and others, as in 0660";
  }
  out = mode;
  return std::nullopt;
}

template <typename Number>
Refusal parse_number(std::string_view value, Number least, Number most, Number& out) {
  Number number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < least ||
      number > most) {
    return text("is not a number from ", least, " to ", most);
  }
  out = number;
  return std::nullopt;
}

Refusal parse_duration_ms(std::string_view value, std::uint32_t& out) {
  static constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc::result_out_of_range) return "is too large";
  if (error != std::errc{}) return "is not a duration; give 0, or 500ms, 10s, 2min, 1h";
  const std::string_view unit = value.substr(static_cast<std::size_t>(end - value.data()));
  if (number == 0 && unit.empty()) {
    out = 0;
    return std::nullopt;
  }
  for (const auto& [name, milliseconds] : kUnits) {
    if (unit != name) continue;
    if (number > std::numeric_limits<std::uint32_t>::max() / milliseconds) return "is too large";
    out = static_cast<std::uint32_t>(number * milliseconds);
    return std::nullopt;
  }
  return text("has an unknown unit \"", unit, "\"; units are ms, s, min and h");
}

Refusal parse_bool(std::string_view value, bool& out) {
  if (value == "1" || value == "true" || value == "yes") {
    out = true;
  } else if (value == "0" || value == "false" || value == "no") {
    out = false;
  } else {
    return "is neither true nor false";
  }
  return std::nullopt;
}

Refusal parse_level(std::string_view value, Level& out) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    if (value != level_name(level)) continue;
    out = level;
    return std::nullopt;
  }
  return "is none of debug, info, warning, error";
}

Refusal parse_fd(std::string_view value, int& out) {
  return parse_number(value, 0, std::numeric_limits<int>::max(), out);
}

constexpr auto kFlags = std::to_array<Flag>({
    {"socket", "PATH",
     "where to listen (default: $XDG_RUNTIME_DIR/shoal/shoald.sock, else\n"
     "/run/shoal/shoald.sock: the first that may be created)",
     [](Parsed& p, std::string_view v) -> Refusal {
       if (v.empty()) return "is empty; give a path";
       p.options.socket = v;
       return std::nullopt;
     }},
    {"memory-max", "SIZE",
     "most memory of all objects, of what dicts and lists hold and of warm segments\n"
     "(default: 50%)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_size(v, p, p.memory_max); }},
    {"warm-bytes", "SIZE",
     "freed memory that is kept, zeroed, for the next object of that size; 0 keeps\n"
     "none (default: 256MiB, at most an eighth of --memory-max)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_size(v, p, p.warm_bytes); }},
    {"quota", "SIZE", "quota of an arena that was given none (default: --memory-max)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_size(v, p, p.quota); }},
    {"arena-size", "SIZE",
     "how large the memory of locks, cells, arrays and dicts may grow, of each arena; it takes\n"
     "none until it is used (default: 50%, at most 64GiB)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_size(v, p, p.arena_size); }},
    {"slow-wait", "DURATION",
     "log who waits longer than that for a lock, an event and so on: 500ms, 10s, 2min;\n"
     "0 logs none (default: 10s)",
     [](Parsed& p, std::string_view v) -> Refusal {
       return parse_duration_ms(v, p.options.slow_wait_ms);
     }},
    {"mode", "MODE", "octal mode of the arena \"default\" (default: 0600)",
     [](Parsed& p, std::string_view v) -> Refusal {
       return parse_mode(v, 0666, p.options.default_mode);
     }},
    {"socket-mode", "MODE", "octal mode of the socket (default: 0666 in /run/shoal, else 0600)",
     [](Parsed& p, std::string_view v) -> Refusal {
       return parse_mode(v, 0777, p.options.socket_mode);
     }},
    {"sessions-max", "COUNT", "most client processes at a time (default: 65534)",
     [](Parsed& p, std::string_view v) -> Refusal {
       return parse_number(v, std::uint32_t{1}, protocol::kSessionsMax, p.options.sessions_max);
     }},
    {"log-level", "LEVEL", "least level logged: debug, info, warning, error (default: info)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_level(v, p.options.log_level); }},
    {"parent-fd", "FD", "a pidfd, inherited; the manager ends with that process (default: none)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_fd(v, p.options.parent_fd); }},
    {"ready-fd", "FD",
     "a descriptor, inherited, that gets one line when the manager is ready (default:\nnone)",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_fd(v, p.options.ready_fd); }},
    {"remove-folder", "", "at the end remove the folder of --socket, if it is empty",
     [](Parsed& p, std::string_view v) -> Refusal {
       return parse_bool(v, p.options.remove_folder);
     }},
    {"help", "", "print this and end",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_bool(v, p.options.help); }},
    {"version", "", "print the version and end",
     [](Parsed& p, std::string_view v) -> Refusal { return parse_bool(v, p.options.version); }},
});

// Variables of the clients; the manager has no use for them.
constexpr std::string_view kOtherVariables[] = {"SHOAL_ARENA", "SHOAL_SHOALD"};

std::string variable_of(const Flag& flag) {
  std::string name = "SHOAL_";
  for (const char c : flag.name) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

const Flag* find_flag(std::string_view name) {
  const auto* found = std::ranges::find(kFlags, name, &Flag::name);
  return found == kFlags.end() ? nullptr : found;
}

// Letters to add, drop or change to get from one to the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string_view closest(std::string_view name) {
  const auto far = [&](const Flag& flag) { return distance(name, flag.name); };
  return std::ranges::min_element(kFlags, {}, far)->name;
}

absl::Status invalid(std::string_view what) {
  return protocol::error(absl::StatusCode::kInvalidArgument, what);
}

absl::Status read_variables(Parsed& parsed, const char* const* env,
                            std::vector<std::string>* warnings) {
  for (; env != nullptr && *env != nullptr; ++env) {
    const std::string_view entry = *env;
    const std::size_t equals = entry.find('=');
    if (!entry.starts_with("SHOAL_") || equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals);
    const std::string_view value = entry.substr(equals + 1);
    const auto* flag = std::ranges::find(kFlags, name, variable_of);
    if (flag != kFlags.end()) {
      if (value.empty()) continue;
      if (const Refusal refusal = flag->set(parsed, value)) {
        return invalid(text("$", name, ": \"", value, "\" ", *refusal));
      }
    } else if (std::ranges::find(kOtherVariables, name) == std::end(kOtherVariables) &&
               warnings != nullptr) {
      warnings->push_back(text("unknown variable ", name, " is ignored; see shoald --help"));
    }
  }
  return absl::OkStatus();
}

absl::Status read_flags(Parsed& parsed, std::span<const char* const> argv) {
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string_view argument = argv[i];
    if (argument == "-h") {
      parsed.options.help = true;
      continue;
    }
    if (!argument.starts_with("--")) {
      return invalid(text("unexpected argument \"", argument, "\"; see shoald --help"));
    }
    const std::size_t equals = argument.find('=');
    const bool attached = equals != std::string_view::npos;
    const std::string_view name = argument.substr(2, attached ? equals - 2 : equals);
    const Flag* flag = find_flag(name);
    if (flag == nullptr) {
      return invalid(text("unknown flag --", name, "; did you mean --", closest(name), "?"));
    }
    std::string_view value = attached ? argument.substr(equals + 1) : "true";
    if (!attached && !flag->value.empty()) {
      if (i + 1 == argv.size()) return invalid(text("--", name, " needs a ", flag->value));
      value = argv[++i];
    }
    if (const Refusal refusal = flag->set(parsed, value)) {
      return invalid(text("--", name, ": \"", value, "\" ", *refusal));
    }
  }
  return absl::OkStatus();
}

// The defaults that follow from others, and what must fit together.
absl::Status settle(Parsed& parsed, std::vector<std::string>* warnings) {
  Options& options = parsed.options;
  options.memory_max = parsed.memory_max.value_or(parsed.memory_bytes / 2);
  if (options.memory_max == 0) return invalid("--memory-max is 0; give a size, as in 1GiB");
  if (options.memory_max > parsed.memory_bytes && warnings != nullptr) {
    warnings->push_back(
        text("--memory-max is ", options.memory_max,
             " bytes, more than the machine or its cgroup has: ", parsed.memory_bytes));
  }
  options.warm_bytes = parsed.warm_bytes.value_or(std::min(kWarmBytes, options.memory_max / 8));
  options.default_quota = parsed.quota.value_or(options.memory_max);
  for (const auto& [name, bytes] : {std::pair{"--warm-bytes", options.warm_bytes},
                                    std::pair{"--quota", options.default_quota}}) {
    if (bytes <= options.memory_max) continue;
    return invalid(
        text(name, " is ", bytes, " bytes, more than --memory-max, which is ", options.memory_max));
  }
  if (parsed.arena_size && (*parsed.arena_size < memory::kArenaBytesMin ||
                            *parsed.arena_size > memory::kArenaBytesMax)) {
    return invalid(text("--arena-size is ", *parsed.arena_size, " bytes; give ",
                        memory::kArenaBytesMin, " to ", memory::kArenaBytesMax));
  }
  options.arena_size = parsed.arena_size.value_or(
      std::clamp(parsed.memory_bytes / 2, memory::kArenaBytesMin, memory::kArenaBytesMax));
  options.arena_size -= options.arena_size % memory::kChunkBytes;
  if (options.default_quota == 0) return invalid("--quota is 0; give a size, as in 1GiB");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> parse_options(std::span<const char* const> argv, const char* const* env,
                                      std::vector<std::string>* warnings,
                                      std::uint64_t memory_bytes) {
  Parsed parsed{};
  parsed.memory_bytes = memory_bytes != 0 ? memory_bytes : protocol::memory_limit().bytes;
  parsed.options.sessions_max = protocol::kSessionsMax;
  parsed.options.slow_wait_ms = kSlowWaitMs;
  // Someone who asks for help may well have a flag or a variable wrong.
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string_view argument = argv[i];
    parsed.options.help |= argument == "--help" || argument == "-h";
    parsed.options.version |= argument == "--version";
  }
  if (parsed.options.help || parsed.options.version) return parsed.options;
  if (absl::Status status = read_variables(parsed, env, warnings); !status.ok()) return status;
  if (absl::Status status = read_flags(parsed, argv); !status.ok()) return status;
  if (parsed.options.help || parsed.options.version) return parsed.options;
  if (absl::Status status = settle(parsed, warnings); !status.ok()) return status;
  return parsed.options;
}

std::string help_text() {
  std::string out =
      "usage: shoald [FLAG]...\n"
      "The manager of shoal: owns shared-memory objects and lends them to processes by name.\n\n";
  for (const Flag& flag : kFlags) {
    out += text("  --", flag.name, flag.value.empty() ? "" : " ", flag.value, "   ($",
                variable_of(flag), ")\n");
    std::string_view help = flag.help;
    while (!help.empty()) {
      const std::size_t end = std::min(help.find('\n'), help.size());
      out += text("        ", help.substr(0, end), "\n");
      help.remove_prefix(std::min(end + 1, help.size()));
    }
  }
  out +=
      "\nA flag beats its variable. SIZE is a number of bytes, or one followed by KiB, MiB, GiB "
      "or\n"
      "TiB (powers of 1024), or a percentage, as in 50%, of the smaller of RAM and the memory\n"
      "cgroup's limit. DURATION is a number followed by ms, s, min or h.\n";
  return out;
}

}  // namespace shoal::daemon
