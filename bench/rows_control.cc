// The control/ rows: what one round trip to the manager costs, and a segment's whole life.
#include <string>

#include <shoal/shared_memory.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/control.h"
#include "reference/work.h"

namespace bench {
namespace {

class Ping final : public reference::Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t good = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) good += shoal_.client.ping().ok() ? 1 : 0;
    return good;
  }

 private:
  ManagedClient shoal_;
};

// The name is gone after each round, so that the manager's warm pool has the memory back.
class SegmentLife final : public reference::Side {
 public:
  explicit SegmentLife(std::size_t bytes) : bytes_(bytes) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) sum += one_life();
    return sum;
  }

 private:
  std::uint64_t one_life() {
    auto memory =
        must("create", shoal_.client.create<shoal::SharedMemory>("life", {.size = bytes_}));
    const std::uint64_t sum = reference::touch_pages(memory.data().data(), memory.size());
    must("close", memory.close());
    must("unlink", shoal_.client.unlink("life"));
    return sum;
  }

  std::size_t bytes_;
  ManagedClient shoal_;
};

Row segment_life(const std::string& name, std::size_t bytes) {
  return {.name = name,
          .reference_name = "memfd passed by SCM_RIGHTS",
          .two_processes = true,
          .reference = [bytes] { return reference::passed_memfd(bytes); },
          .shoal = [bytes] { return std::make_unique<SegmentLife>(bytes); }};
}

}  // namespace

std::vector<Row> control_rows() {
  return {{.name = "control/ping",
           .reference_name = "round trip over a Unix socket",
           .two_processes = true,
           .reference = reference::echo,
           .shoal = [] { return std::make_unique<Ping>(); }},
          segment_life("control/create_attach_touch_unlink_4k", 4096),
          segment_life("control/create_attach_touch_unlink_1m", 1 << 20)};
}

}  // namespace bench
