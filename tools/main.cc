// shoalctl: wiring only.
#include <string>
#include <vector>

#include "tools/command.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return shoal::tools::run(arguments);
}
