// The objects that values refer to which are on their way into a container. They are opened before
// the reference is stored, so that the manager knows who refers to them: what was merely read is a
// number (shoal/reference.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/client.h>
#include <shoal/value.h>

namespace shoal::tools {

// Holds each once, until it is destroyed.
class HeldObjects {
 public:
  explicit HeldObjects(Client client);

  // All that is referred to in `value`, however deep. NOT_FOUND: one is gone. FAILED_PRECONDITION:
  // one that no value can refer to.
  absl::Status hold(const Value& value);

 private:
  absl::Status hold_object(std::uint64_t id);

  Client client_;
  std::map<std::uint64_t, std::shared_ptr<const void>> held_;  // proxies by id
};

}  // namespace shoal::tools
