// See socket_path.h.
#include "schemas/socket_path.h"

#include <cstdlib>

namespace shoal::protocol {

std::vector<std::string> candidate_sockets(std::string_view explicit_path) {
  return candidate_sockets(explicit_path, std::getenv("SHOAL_SOCKET"),
                           std::getenv("XDG_RUNTIME_DIR"));
}

std::vector<std::string> candidate_sockets(std::string_view explicit_path, const char* shoal_socket,
                                           const char* xdg_runtime_dir) {
  if (!explicit_path.empty()) return {std::string(explicit_path)};
  if (shoal_socket != nullptr && *shoal_socket != '\0') return {shoal_socket};
  std::vector<std::string> paths;
  if (xdg_runtime_dir != nullptr && *xdg_runtime_dir == '/') {
    std::string folder = xdg_runtime_dir;
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    paths.push_back(folder + "/shoal/shoald.sock");
  }
  paths.emplace_back(kSystemSocket);
  return paths;
}

}  // namespace shoal::protocol
