// References of the control/ rows: the same services by hand, over a bare Unix stream socket
// between two processes. Knows nothing of shoal.
#pragma once

#include <cstddef>
#include <memory>

#include "reference/side.h"

namespace reference {

// A round trip of 64 bytes each way to a server that echoes them. A round is one round trip.
std::unique_ptr<Side> echo();

// A client asks a server for a segment; the server makes a memfd, sizes it, seals it and passes its
// descriptor; the client maps it, touches every page, unmaps it and tells the server to drop it. A
// round is one such life.
std::unique_ptr<Side> passed_memfd(std::size_t bytes);

}  // namespace reference
