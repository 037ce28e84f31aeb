// See shoal_dict.h.
#include "bench/shoal_dict.h"

#include "bench/shoal_list.h"
namespace bench {
namespace {
[[noreturn]] void absent() { reference::give_up("dict", "shoal has none yet: only --self-check"); }
}  // namespace
std::unique_ptr<reference::Side> shoal_dict64(reference::Operation, std::size_t, std::uint64_t) {
  absent();
}
std::unique_ptr<reference::Side> shoal_dict8(reference::Operation, std::size_t, std::uint64_t) {
  absent();
}
std::unique_ptr<reference::Side> shoal_typed64(reference::Operation, std::size_t, std::uint64_t) {
  absent();
}
std::unique_ptr<reference::Side> shoal_pair(reference::Duties, std::size_t) { absent(); }
reference::Tail shoal_growth(std::size_t) { absent(); }
double shoal_bytes_per_entry(std::size_t) { absent(); }
std::unique_ptr<reference::Side> shoal_list(reference::ListOperation, std::uint64_t) { absent(); }
}  // namespace bench
