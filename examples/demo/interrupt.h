// Ctrl-C and its like become a flag that every waiting loop looks at, so that what was started is
// ended in order.
#pragma once

namespace demo {

// SIGINT, SIGTERM and SIGHUP set the flag from now on; SIGPIPE is ignored, writes fail instead.
void catch_interrupts();

// The signal that came, or 0.
int interrupted();

}  // namespace demo
