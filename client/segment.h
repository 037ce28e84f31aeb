// Attaching to an object that is a segment of its own: what SharedMemory and ShareableList share.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

#include "client/session.h"
#include "shoal/object.h"
#include "shoal/shared_memory.h"

namespace shoal::internal {

struct SegmentRequest {
  std::string_view name;  // empty: anonymous
  Kind kind;
  SharedMemoryOptions options;
  bool open_existing = false;
};

absl::StatusOr<std::shared_ptr<Reference>> create_segment(Session& session,
                                                          const SegmentRequest& wanted);
absl::StatusOr<std::shared_ptr<Reference>> open_segment(Session& session, std::string_view name,
                                                        Kind kind, const OpenOptions& options);
absl::StatusOr<std::shared_ptr<Reference>> open_segment(Session& session, const Token& token,
                                                        Kind kind, const OpenOptions& options);

}  // namespace shoal::internal
