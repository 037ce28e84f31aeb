// An object in the making: what load-object does with the lines of a dump behind the first. A kind
// that can be loaded is added here.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/client.h>
#include <shoal/object.h>

#include "tools/json.h"

namespace shoal::tools {

// What the first line of a dump says; kUnknown: nothing, or what is no kind.
Kind kind_in(const Json& first_line);

class Loading {
 public:
  virtual ~Loading() = default;

  // Of what the first line of a dump says, or of nothing but its "kind". The object is made now if
  // its lines go into it one by one, else with all of them at once, by finish().
  static absl::StatusOr<std::unique_ptr<Loading>> begin(const Client& client,
                                                        const std::string& name,
                                                        const Json& first_line);

  [[nodiscard]] virtual absl::Status add(const Json& line) = 0;
  // No other line comes.
  [[nodiscard]] virtual absl::Status finish() = 0;
  // Takes the name away, if there is an object by now: nothing half loaded stays.
  [[nodiscard]] virtual absl::Status give_up() = 0;
};

}  // namespace shoal::tools
