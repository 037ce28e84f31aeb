// See growth.h.
#include "reference/growth.h"

namespace reference {

Tail tail_of(std::vector<std::uint32_t>& took_ns) {
  if (took_ns.empty()) give_up("dict", "no put was undisturbed");
  const auto at = [&](double part) {
    const auto last = static_cast<double>(took_ns.size() - 1);
    const auto place = took_ns.begin() + static_cast<std::ptrdiff_t>(part * last);
    std::nth_element(took_ns.begin(), place, took_ns.end());
    return static_cast<double>(*place);
  };
  return {at(0.5), at(0.99), at(0.999), at(1)};
}

}  // namespace reference
