// The bulk/ rows: whether memory that came by name is as fast as any other.
#include <string>
#include <vector>

#include <shoal/shared_memory.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/memory.h"
#include "reference/work.h"

namespace bench {
namespace {

using reference::kBulkBytes;
using reference::kBulkTargets;

class PutBulk final : public reference::Side {
 public:
  PutBulk() {
    for (std::size_t i = 0; i < kBulkTargets; ++i) {
      targets_.push_back(must("create", shoal_.client.create<shoal::SharedMemory>(
                                            "bulk" + std::to_string(i), {.size = kBulkBytes})));
    }
  }

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      for (const shoal::SharedMemory& target : targets_) {
        sum += reference::put_bulk(target.data().data());
      }
    }
    return sum;
  }

  std::uint64_t digest() override {
    std::uint64_t sum = 0;
    for (const shoal::SharedMemory& target : targets_) {
      sum += reference::fold_words(target.data().data(), target.size());
    }
    return sum;
  }

 private:
  ManagedClient shoal_;
  std::vector<shoal::SharedMemory> targets_;
};

}  // namespace

std::vector<Row> bulk_rows() {
  return {{.name = "bulk/put_1m",
           .reference_name = "memcpy into warm shared memory",
           .operations = kBulkTargets,
           .reference = reference::copy_bulk,
           .shoal = [] { return std::make_unique<PutBulk>(); }}};
}

}  // namespace bench
