// See memory_gauge.h.
#include "schemas/memory_gauge.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "schemas/text.h"
#include "schemas/unique_fd.h"

namespace shoal::protocol {
namespace {

constexpr std::int64_t kReadingNsMax = 100'000'000;
constexpr std::uint64_t kReserveBytes = std::uint64_t{64} << 20;
// No limit: v1 writes the largest multiple of a page, v2 "max".
constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 62;

std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

// Files of /proc and /sys have no size to ask for; ours are below this.
std::optional<std::string> contents(const std::string& path) {
  static constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  std::string out;
  char piece[4096];
  ssize_t got = 0;
  while ((got = ::read(fd.get(), piece, sizeof piece)) > 0 && out.size() < kFileBytesMax) {
    out.append(piece, static_cast<std::size_t>(got));
  }
  if (got < 0) return std::nullopt;
  return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.starts_with("max")) return kUnlimited;
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{}) return std::nullopt;
  return std::min(value, kUnlimited);
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  const std::optional<std::string> text = contents(path);
  return text ? number(*text) : std::nullopt;
}

template <typename Function>
void each_piece(std::string_view text, char separator, Function function) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    function(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The number after `key` in a file of "key number" lines.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key) {
  std::optional<std::uint64_t> found;
  each_piece(text, '\n', [&](std::string_view line) {
    if (!found && line.starts_with(key)) found = number(line.substr(key.size()));
  });
  return found;
}

std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

bool lists_memory(std::string_view names) {
  bool found = false;
  each_piece(names, ',', [&](std::string_view name) { found = found || name == "memory"; });
  return found;
}

struct Mount {
  std::string root;   // the cgroup that is mounted
  std::string point;  // where
};

// The mount of the v2 hierarchy, or of v1's memory controller.
std::optional<Mount> find_mount(std::string_view mountinfo, bool v2) {
  std::optional<Mount> found;
  each_piece(mountinfo, '\n', [&](std::string_view line) {
    const std::size_t dash = line.find(" - ");
    if (found || dash == std::string_view::npos) return;
    std::vector<std::string_view> left;
    std::vector<std::string_view> right;
    each_piece(line.substr(0, dash), ' ', [&](std::string_view f) { left.push_back(f); });
    each_piece(line.substr(dash + 3), ' ', [&](std::string_view f) { right.push_back(f); });
    if (left.size() < 5 || right.size() < 3) return;
    const bool matches =
        v2 ? right[0] == "cgroup2" : right[0] == "cgroup" && lists_memory(right[2]);
    if (matches) found = Mount{std::string(left[3]), std::string(left[4])};
  });
  return found;
}

// The path of this process's group in /proc/self/cgroup, whose lines are "id:controllers:path".
std::optional<std::string> find_group(std::string_view lines, bool v2) {
  std::optional<std::string> found;
  each_piece(lines, '\n', [&](std::string_view line) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (found || second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool matches =
        v2 ? line.starts_with("0:") && controllers.empty() : lists_memory(controllers);
    if (matches) found = std::string(line.substr(second + 1));
  });
  return found;
}

const char* limit_file(const MemoryCgroup& group) {
  return group.v2 ? "/memory.max" : "/memory.limit_in_bytes";
}

}  // namespace

std::vector<MemoryCgroup> memory_cgroups(const std::string& root) {
  std::vector<MemoryCgroup> groups;
  const std::optional<std::string> lines = contents(root + "/proc/self/cgroup");
  const std::optional<std::string> mounts = contents(root + "/proc/self/mountinfo");
  if (!lines || !mounts) return groups;
  for (const bool v2 : {true, false}) {
    const std::optional<Mount> mount = find_mount(*mounts, v2);
    std::optional<std::string> group = find_group(*lines, v2);
    if (!mount || !group) continue;
    // In a container the mount may begin at its own group, which the path then repeats, or the path
    // may lead out of what is mounted; then the mount's top is the nearest that can be seen.
    std::string path = *group;
    if (mount->root != "/") {
      const bool inside = path == mount->root || path.starts_with(mount->root + "/");
      path = inside ? path.substr(mount->root.size()) : "";
    }
    if (path.find("/..") != std::string::npos) path.clear();
    while (!path.empty() && path.back() == '/') path.pop_back();
    for (;;) {
      MemoryCgroup one{root + mount->point + path, path.empty() ? "/" : path, v2};
      if (number_in(one.folder + limit_file(one))) groups.push_back(std::move(one));
      if (path.empty()) break;
      path.resize(std::min(path.rfind('/'), path.size()));
    }
  }
  return groups;
}

MemoryLimit memory_limit(const std::string& root) {
  MemoryLimit limit{0, "host memory"};
  if (const auto text = contents(root + "/proc/meminfo")) {
    limit.bytes = number_after(*text, "MemTotal:").value_or(0) * 1024;
  }
  for (const MemoryCgroup& group : memory_cgroups(root)) {
    const auto bytes = number_in(group.folder + limit_file(group));
    if (bytes && *bytes < limit.bytes) limit = {*bytes, "cgroup " + group.name};
  }
  return limit;
}

MemoryGauge::MemoryGauge(std::string root, std::function<std::int64_t()> now_ns)
    : root_(std::move(root)),
      now_ns_(now_ns ? std::move(now_ns) : monotonic_ns),
      cgroups_(memory_cgroups(root_)) {
  read();
}

bool MemoryGauge::stale() { return now_ns_() - read_at_ns_ >= kReadingNsMax; }

absl::Status MemoryGauge::admit(std::uint64_t bytes) {
  const bool close_to_the_end = available_ / 2 < bytes;
  if (close_to_the_end || stale()) read();
  if (bytes > available_) {
    return error(absl::StatusCode::kResourceExhausted, bytes, " bytes asked for, ", available_,
                 " available of ", of_, "; unlink objects, or give the manager more memory");
  }
  available_ -= bytes;
  return absl::OkStatus();
}

void MemoryGauge::released(std::uint64_t bytes) {
  available_ =
      bytes > kUnlimited - std::min(available_, kUnlimited) ? kUnlimited : available_ + bytes;
}

std::uint64_t MemoryGauge::available() {
  if (stale()) read();
  return available_;
}

// What is kept back is at most an eighth, so that a tiny cgroup is still of use.
void MemoryGauge::consider(std::uint64_t limit, std::uint64_t free, std::string of) {
  const std::uint64_t reserve = std::min(std::max(kReserveBytes, limit / 50), limit / 8);
  const std::uint64_t available = minus(free, reserve);
  if (available >= available_) return;
  available_ = available;
  of_ = std::move(of);
}

void MemoryGauge::read() {
  ++readings_;
  read_at_ns_ = now_ns_();
  available_ = kUnlimited;
  of_ = "host memory";
  if (const auto text = contents(root_ + "/proc/meminfo")) {
    const auto total = number_after(*text, "MemTotal:");
    const auto free = number_after(*text, "MemAvailable:");
    if (total && free) consider(*total * 1024, *free * 1024, "host memory");
  }
  bool moved = false;
  for (const MemoryCgroup& group : cgroups_) {
    const auto limit = number_in(group.folder + limit_file(group));
    if (!limit) moved = true;
    if (!limit || *limit >= kUnlimited / 2) continue;
    const auto used =
        number_in(group.folder + (group.v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (!used) continue;
    std::uint64_t free = minus(*limit, *used);
    // Reading the statistics makes the kernel add up every CPU's: only if this group is the
    // tightest.
    if (free < available_) {
      const auto stat = contents(group.folder + "/memory.stat");
      const auto key = group.v2 ? "inactive_file " : "total_inactive_file ";
      if (stat) free += std::min(*used, number_after(*stat, key).value_or(0));
    }
    consider(*limit, free, "cgroup " + group.name);
  }
  // The process was moved to another group and its own removed; the next reading looks there.
  if (moved) cgroups_ = memory_cgroups(root_);
}

}  // namespace shoal::protocol
