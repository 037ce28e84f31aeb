// The cell/ rows: what the check of a handle costs over a plain atomic.
#include <cstdint>

#include <shoal/cell.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/sync.h"
#include "reference/sync_work.h"

namespace bench {
namespace {

using reference::kSyncRound;
using reference::sync_rounds;
using Cell = shoal::Cell<std::uint64_t>;

class CellSide : public reference::Side {
 protected:
  explicit CellSide(std::uint64_t initial)
      : cell_(must("create", shoal_.client.create<Cell>("cell", {.initial = initial}))) {}

  // The value of a call that worked.
  static std::uint64_t checked(const absl::StatusOr<std::uint64_t>& value) {
    if (!value.ok()) [[unlikely]]
      must("cell", value.status());
    return *value;
  }

  ManagedClient shoal_;
  Cell cell_;
};

class Load final : public CellSide {
 public:
  Load() : CellSide(1) {}

  std::uint64_t run(std::uint64_t rounds) override {
    return sync_rounds(rounds, [&cell = cell_] { return checked(cell.load()); });
  }
};

class FetchAdd final : public CellSide {
 public:
  FetchAdd() : CellSide(0) {}

  std::uint64_t run(std::uint64_t rounds) override {
    return sync_rounds(rounds, [&cell = cell_] { return checked(cell.fetch_add(1)) % kSyncRound; });
  }
};

Row cell_row(const char* name, std::unique_ptr<reference::Side> (*reference)(),
             std::function<std::unique_ptr<reference::Side>()> shoal) {
  return {.name = name,
          .reference_name = "std::atomic in process",
          .operations = kSyncRound,
          .reference = reference,
          .shoal = std::move(shoal)};
}

}  // namespace

std::vector<Row> cell_rows() {
  return {cell_row("cell/load", reference::atomic_load, [] { return std::make_unique<Load>(); }),
          cell_row("cell/fetch_add", reference::atomic_fetch_add,
                   [] { return std::make_unique<FetchAdd>(); })};
}

}  // namespace bench
