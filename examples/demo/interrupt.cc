// See interrupt.h.
#include "examples/demo/interrupt.h"

#include <signal.h>

#include <initializer_list>

namespace demo {
namespace {

volatile sig_atomic_t caught = 0;

void remember(int signal) { caught = signal; }

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = remember;  // without SA_RESTART: a waiting call returns
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

int interrupted() { return caught; }

}  // namespace demo
