// Finds managers by what the kernel says: the name of the process, its descriptors, and the list of
// listening Unix sockets of its network namespace. See manager_search.h.
#include "tools/manager_search.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::tools {
namespace {

constexpr unsigned kAcceptsConnections = 0x10000;  // __SO_ACCEPTCON, column Flags

using Inode = std::uint64_t;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// The names in a folder; none if it cannot be read, and then errno says why.
std::optional<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (folder == nullptr) return std::nullopt;
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder.get())) names.emplace_back(entry->d_name);
  return names;
}

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t length = readlink(path.c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<std::size_t>(length));
}

std::string process_folder(pid_t pid) { return absl::StrCat("/proc/", pid); }

bool is_manager(pid_t pid) {
  std::ifstream file(process_folder(pid) + "/comm");
  std::string name;
  return std::getline(file, name) && name == "shoald";
}

// A process that has ended, and that its parent has not asked about yet.
bool is_zombie(pid_t pid) {
  std::ifstream file(process_folder(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end_of_name = line.rfind(')');
  return end_of_name != std::string::npos && line.substr(end_of_name).starts_with(") Z");
}

// Path by inode of the named sockets that accept connections, as the process sees them.
std::map<Inode, std::string> listening_sockets(pid_t pid) {
  std::map<Inode, std::string> found;
  std::ifstream file(process_folder(pid) + "/net/unix");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string number, references, protocol, flags, type, state, path;
    Inode inode = 0;
    fields >> number >> references >> protocol >> flags >> type >> state >> inode >> std::ws;
    if (!fields || !std::getline(fields, path)) continue;
    unsigned bits = 0;
    std::from_chars(flags.data(), flags.data() + flags.size(), bits, 16);
    if ((bits & kAcceptsConnections) != 0) found[inode] = path;
  }
  return found;
}

// The sockets that a process has open; none, with errno, if it may not be looked into.
std::optional<std::vector<Inode>> open_sockets(pid_t pid) {
  constexpr std::string_view kPrefix = "socket:[";
  const std::string folder = process_folder(pid) + "/fd";
  const auto names = names_in(folder);
  if (!names) return std::nullopt;
  std::vector<Inode> inodes;
  for (const std::string& name : *names) {
    const std::string target = link_target(absl::StrCat(folder, "/", name));
    if (!target.starts_with(kPrefix)) continue;
    Inode inode = 0;
    std::from_chars(target.data() + kPrefix.size(), target.data() + target.size(), inode);
    inodes.push_back(inode);
  }
  return inodes;
}

// A relative path means the folder that the process stands in.
std::string absolute(const std::string& path, pid_t pid) {
  if (path.starts_with('/') || path.starts_with('@')) return path;
  const std::string folder = link_target(process_folder(pid) + "/cwd");
  return folder.empty() ? path : absl::StrCat(folder, "/", path);
}

std::vector<pid_t> manager_pids() {
  std::vector<pid_t> pids;
  for (const std::string& name : names_in("/proc").value_or(std::vector<std::string>())) {
    pid_t pid = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, pid).ptr != end) continue;
    if (is_manager(pid) && !is_zombie(pid)) pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace

std::vector<FoundManager> find_managers() {
  std::map<Inode, FoundManager> by_socket;
  std::vector<FoundManager> without;
  for (const pid_t pid : manager_pids()) {
    struct stat status = {};
    if (stat(process_folder(pid).c_str(), &status) != 0) continue;  // it has ended meanwhile
    if (geteuid() != 0 && status.st_uid != geteuid()) continue;
    const auto open = open_sockets(pid);
    if (!open) {
      if (errno == ENOENT || errno == ESRCH) continue;
      without.push_back(
          {.pids = {pid},
           .uid = status.st_uid,
           .socket = {},
           .problem = absl::StrCat("its descriptors cannot be looked at: ", std::strerror(errno))});
      continue;
    }
    const auto listening = listening_sockets(pid);
    bool found = false;
    for (const Inode inode : *open) {
      const auto socket = listening.find(inode);
      if (socket == listening.end()) continue;
      FoundManager& manager = by_socket[inode];
      if (manager.pids.empty() || manager.pids.back() != pid) manager.pids.push_back(pid);
      manager.uid = status.st_uid;
      manager.socket = absolute(socket->second, pid);
      found = true;
    }
    if (!found) {
      without.push_back({.pids = {pid},
                         .uid = status.st_uid,
                         .socket = {},
                         .problem = "it listens nowhere: it is starting or ending"});
    }
  }
  for (auto& [inode, manager] : by_socket) without.push_back(std::move(manager));
  std::ranges::sort(without, {}, [](const FoundManager& m) { return m.pids.front(); });
  return without;
}

}  // namespace shoal::tools
