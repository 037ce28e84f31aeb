// Where a manager's socket may be: the same rule for the manager that creates it and for the client
// that looks for it. Says paths only; touches no file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal::protocol {

// Bytes of a path that fit sockaddr_un.
inline constexpr std::size_t kSocketPathBytesMax = 107;

// What is tried, in order: `explicit_path` alone if given, else $SHOAL_SOCKET alone if set, else
// $XDG_RUNTIME_DIR/shoal/shoald.sock and /run/shoal/shoald.sock. An empty variable counts as unset,
// as does an $XDG_RUNTIME_DIR that is not an absolute path.
std::vector<std::string> candidate_sockets(std::string_view explicit_path = {});

// The same with the two variables given; null means unset.
std::vector<std::string> candidate_sockets(std::string_view explicit_path, const char* shoal_socket,
                                           const char* xdg_runtime_dir);

// The default socket of the system; its folder may be shared by all users.
inline constexpr std::string_view kSystemSocket = "/run/shoal/shoald.sock";

}  // namespace shoal::protocol
