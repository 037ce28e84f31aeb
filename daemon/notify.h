// Telling whoever started the manager that it is up: the sd_notify protocol, and a descriptor that
// gets one line. Neither ever fails loudly: a manager nobody waits for is a manager all the same.
#pragma once

#include <string_view>

namespace shoal::daemon {

// Sends `state` ("READY=1", "STOPPING=1", "STATUS=...") to $NOTIFY_SOCKET, if that is set.
void notify(std::string_view state);

// Writes `line` and a newline to `fd` and closes it. Nothing for a negative `fd`.
void tell_ready(int fd, std::string_view line);

}  // namespace shoal::daemon
