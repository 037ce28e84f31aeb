// A dict whose bytes may be anything: tests/unit/dict_hostile.h.
#include "memory/dict.h"
#include "tests/unit/dict_hostile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static shoal::test::HostileDict dict;
  dict.run(data, size);
  return 0;
}
