// See inspect_proc.h.
#include "client/inspect_proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include "schemas/text.h"

namespace shoal::internal {

using protocol::text;
using protocol::UniqueFd;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::string_view kPrefix = "/memfd:shoal-";
constexpr std::string_view kDeleted = " (deleted)";
// No process has more in its maps or status that we would want to wait for.
constexpr std::size_t kTextBytesMax = std::size_t{64} << 20;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

template <typename Number>
bool parse(std::string_view digits, Number& number, int base = 10) {
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, number, base);
  return error == std::errc() && at == end;
}

// The numbers that name entries of a folder; none if it cannot be read.
std::optional<std::vector<pid_t>> numbers_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (folder == nullptr) return std::nullopt;
  std::vector<pid_t> numbers;
  while (const dirent* entry = ::readdir(folder.get())) {
    pid_t number = 0;
    if (parse(entry->d_name, number) && number > 0) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

// With errno, if it cannot be read.
std::optional<std::string> text_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::string out;
  char piece[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0 || out.size() > kTextBytesMax) return out;
    out.append(piece, static_cast<std::size_t>(got));
  }
}

// Takes the text up to `end` from the front of `rest`, and spaces behind it.
std::string_view take(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  while (end == ' ' && rest.starts_with(' ')) rest.remove_prefix(1);
  return taken;
}

bool denied() { return errno == EACCES || errno == EPERM; }

// A line of maps: "start-end perms offset device inode path".
bool parse_mapping(std::string_view line, MappedFile& file, Region& region) {
  const std::string_view range = take(line, ' ');
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return false;
  if (!parse(range.substr(0, dash), region.start, 16)) return false;
  if (!parse(range.substr(dash + 1), region.end, 16) || region.end <= region.start) return false;
  take(line, ' ');
  if (!parse(take(line, ' '), region.offset, 16)) return false;
  file.id.device = take(line, ' ');
  if (!parse(take(line, ' '), file.id.inode) || !line.starts_with(kPrefix)) return false;
  line.remove_prefix(std::string_view("/memfd:").size());
  if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
  file.name = line;
  return true;
}

bool is_stopped(std::string_view state) { return state.starts_with('T') || state.starts_with('t'); }

// The value of a line "Key:\tvalue" of a status file.
std::string_view value_of(std::string_view status, std::string_view key) {
  while (!status.empty()) {
    std::string_view line = take(status, '\n');
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    line.remove_prefix(key.size() + 1);
    while (line.starts_with('\t') || line.starts_with(' ')) line.remove_prefix(1);
    return line;
  }
  return {};
}

std::vector<pid_t> pids_in(std::string_view list) {
  std::vector<pid_t> pids;
  while (!list.empty()) {
    pid_t pid = 0;
    if (parse(take(list, '\t'), pid)) pids.push_back(pid);
  }
  return pids;
}

bool read_all(int fd, std::uint64_t offset, std::span<std::byte> into) {
  for (std::size_t have = 0; have < into.size();) {
    const ssize_t got =
        ::pread(fd, into.data() + have, into.size() - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

std::string ProcFiles::path(pid_t pid, std::string_view file) const {
  return text(root_, "/", pid, "/", file);
}

std::optional<std::vector<pid_t>> ProcFiles::pids() const { return numbers_in(root_); }

std::vector<MappedFile> ProcFiles::memfds(pid_t pid) {
  std::vector<MappedFile> found;
  const auto maps = text_of(path(pid, "maps"));
  if (!maps.has_value()) {
    if (denied()) unreadable_.insert(pid);
    return found;
  }
  for (std::string_view rest = *maps; !rest.empty();) {
    MappedFile file;
    Region region;
    if (!parse_mapping(take(rest, '\n'), file, region)) continue;
    auto known = std::ranges::find(found, file.id, &MappedFile::id);
    if (known == found.end()) known = found.insert(found.end(), std::move(file));
    known->regions.push_back(region);
  }
  return found;
}

std::optional<Process> ProcFiles::process(pid_t pid) const {
  const auto status = text_of(path(pid, "status"));
  if (!status.has_value()) return std::nullopt;
  Process process;
  process.pid = pid;
  process.pids = pids_in(value_of(*status, "NSpid"));
  if (process.pids.empty()) process.pids = {pid};
  process.name = value_of(*status, "Name");
  parse(value_of(*status, "PPid"), process.parent);
  process.stopped = is_stopped(value_of(*status, "State"));
  for (const pid_t tid : numbers_in(path(pid, "task")).value_or(std::vector<pid_t>())) {
    const auto task = text_of(path(pid, text("task/", tid, "/status")));
    if (!task.has_value()) continue;
    const auto inner = pids_in(value_of(*task, "NSpid"));
    process.tasks.push_back({.tid = tid,
                             .inner = inner.empty() ? tid : inner.back(),
                             .stopped = is_stopped(value_of(*task, "State"))});
  }
  return process;
}

bool ProcFiles::may_read_memory(pid_t pid) {
  if (memory_of_ != pid || !memory_.valid()) {
    memory_ = UniqueFd(::open(path(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC));
    memory_of_ = pid;
  }
  return memory_.valid();
}

void ProcFiles::find_descriptors() {
  descriptors_.emplace();
  for (const pid_t pid : pids().value_or(std::vector<pid_t>())) {
    for (const int fd : numbers_in(path(pid, "fd")).value_or(std::vector<int>())) {
      const std::string at = path(pid, text("fd/", fd));
      struct stat status {};
      if (::stat(at.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      char device[32];
      std::snprintf(device, sizeof device, "%02x:%02x", major(status.st_dev), minor(status.st_dev));
      descriptors_->try_emplace({.device = device, .inode = status.st_ino}, at);
    }
  }
}

UniqueFd ProcFiles::open(const FileId& file) {
  if (!descriptors_.has_value()) find_descriptors();
  const auto found = descriptors_->find(file);
  if (found == descriptors_->end()) return UniqueFd();
  return UniqueFd(::open(found->second.c_str(), O_RDONLY | O_CLOEXEC));
}

bool ProcFiles::read_memory(pid_t pid, std::uint64_t address, std::span<std::byte> into) {
  if (!may_read_memory(pid)) return false;
  return read_all(memory_.get(), address, into);
}

std::vector<bool> ProcFiles::pages_present(pid_t pid, std::uint64_t address,
                                           std::size_t pages) const {
  constexpr std::uint64_t kPresentOrSwapped = std::uint64_t{3} << 62;
  std::vector<bool> present;
  const UniqueFd file(::open(path(pid, "pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<std::uint64_t> entries(std::min<std::size_t>(pages, 8192));
  while (present.size() < pages) {
    const std::size_t want = std::min(entries.size(), pages - present.size()) * 8;
    const auto at = static_cast<off_t>((address / kPage + present.size()) * 8);
    const ssize_t got = ::pread(file.get(), entries.data(), want, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 8) break;
    for (ssize_t i = 0; i < got / 8; ++i) {
      present.push_back((entries[static_cast<std::size_t>(i)] & kPresentOrSwapped) != 0);
    }
  }
  return present;
}

void SharedFile::add(pid_t pid, std::vector<Region> regions) {
  pids_.push_back(pid);
  regions_.push_back(std::move(regions));
}

void SharedFile::choose_way() {
  std::vector<pid_t> closed;
  for (const pid_t pid : pids_) {
    if (!proc_->may_read_memory(pid)) closed.push_back(pid);
  }
  if (closed.empty()) return;
  descriptor_ = proc_->open(id_);
  if (descriptor_.valid()) return;
  for (const pid_t pid : closed) proc_->count_unreadable(pid);
}

bool SharedFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (descriptor_.valid()) return read_all(descriptor_.get(), offset, into);
  for (std::size_t i = 0; i < pids_.size(); ++i) {
    for (const Region& region : regions_[i]) {
      const std::uint64_t bytes = region.end - region.start;
      if (offset < region.offset || offset - region.offset >= bytes) continue;
      const std::uint64_t within = offset - region.offset;
      if (into.size() > bytes - within) continue;
      if (proc_->read_memory(pids_[i], region.start + within, into)) return true;
    }
  }
  return false;
}

void SharedFile::for_each_page(std::uint64_t from, std::uint64_t to, Visit visit) const {
  if (!descriptor_.valid()) return for_each_page_mapped(from, to, visit);
  std::vector<std::byte> page(kPage);
  const auto end = static_cast<off_t>(to);
  for (auto at = static_cast<off_t>(from); at >= 0 && at < end;) {
    at = ::lseek(descriptor_.get(), at, SEEK_DATA);
    if (at < 0 || at >= end) return;
    if (read_all(descriptor_.get(), static_cast<std::uint64_t>(at), page)) {
      visit(static_cast<std::uint64_t>(at), page);
    }
    at += kPage;
  }
}

void SharedFile::for_each_page_mapped(std::uint64_t from, std::uint64_t to, Visit visit) const {
  std::set<std::uint64_t> seen;
  std::vector<std::byte> page(kPage);
  for (std::size_t i = 0; i < pids_.size(); ++i) {
    for (const Region& region : regions_[i]) {
      const std::uint64_t begin = std::max(from, region.offset);
      const std::uint64_t end = std::min(to, region.offset + (region.end - region.start));
      if (begin >= end) continue;
      const std::uint64_t address = region.start + (begin - region.offset);
      const auto present = proc_->pages_present(pids_[i], address, (end - begin) / kPage);
      for (std::size_t at = 0; at < present.size(); ++at) {
        const std::uint64_t offset = begin + at * kPage;
        if (!present[at] || seen.contains(offset)) continue;
        if (!proc_->read_memory(pids_[i], address + at * kPage, page)) continue;
        seen.insert(offset);
        visit(offset, page);
      }
    }
  }
}

}  // namespace shoal::internal
