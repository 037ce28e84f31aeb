// A List whose bytes may be anything: tests/unit/list_hostile.h.
#include "memory/list_container.h"
#include "tests/unit/list_hostile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static shoal::test::HostileList list;
  list.run(data, size);
  return 0;
}
