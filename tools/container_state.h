// What a container says of itself, for stat and verify: what a walk over all of it finds.
#pragma once

#include <cstdint>
#include <variant>

#include "absl/status/statusor.h"

#include <shoal/client.h>
#include <shoal/dict.h>
#include <shoal/list.h>
#include <shoal/object.h>

#include "tools/json.h"
#include "tools/table.h"

namespace shoal::tools {

// Made of blocks of its own, whose structure can be looked at.
bool is_container(Kind kind);

using ContainerStatistics = std::variant<DictStatistics, ListStatistics>;

// Attaches for reading only, takes no lock, and keeps nobody from writing. DATA_LOSS: it is
// damaged. FAILED_PRECONDITION: it is no container.
absl::StatusOr<ContainerStatistics> verify_container(const Client& client,
                                                     const ObjectInfo& object);

void add_json(Json& json, const ContainerStatistics& container);
void add_rows(Table& table, const ContainerStatistics& container);

// What all of them have.
struct Filling {
  std::uint64_t entries = 0;  // or elements
  std::uint64_t live_bytes = 0;
  std::uint64_t dead_bytes = 0;
};
Filling filling_of(const ContainerStatistics& container);

}  // namespace shoal::tools
