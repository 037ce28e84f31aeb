// memory/dict* on bytes that others write nonsense into (dict_hostile.h): nothing crashes, all
// ends.
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "dict_hostile.h"
#include "memory/dict.h"

namespace shoal {
namespace {

TEST(DictDamage, EndsWhateverItsBytesAre) {
  test::HostileDict dict;
  const char* const more = std::getenv("SHOAL_DAMAGE_ROUNDS");
  const std::uint64_t rounds = more != nullptr ? std::strtoull(more, nullptr, 10) : 3000;
  const char* const from = std::getenv("SHOAL_DAMAGE_SEED");
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 draw(seed);
    std::vector<std::uint8_t> input(2 + 24 + (1 + draw() % 12) * test::kOverwriteBytes);
    for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(draw());
    dict.run(input.data(), input.size());
  }
}

}  // namespace
}  // namespace shoal
