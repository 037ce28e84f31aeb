// One reference of this session to an object: given back when the last proxy that shares it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "client/mapping.h"
#include "client/session.h"
#include "schemas/text.h"
#include "shoal/object.h"
#include "shoal/shared_memory.h"

namespace shoal::internal {

class Reference {
 public:
  Reference(std::shared_ptr<Session> session, std::shared_ptr<Mapping> mapping)
      : session(std::move(session)), mapping(std::move(mapping)) {}
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  // Unmaps first, so that the manager finds the memory unused.
  ~Reference() {
    mapping.reset();
    session->release(object, access);
  }

  std::shared_ptr<Session> session;
  std::shared_ptr<Mapping> mapping;
  std::uint64_t object = 0;
  Kind kind = Kind::kUnknown;
  Access access = Access::kReadWrite;
  bool created = false;
  std::string name;
  PageReport pages;
};

// For messages: its kind, and its name or, if it has none, its id.
inline std::string named(const Reference& object) {
  const std::string_view kind = kind_name(object.kind);
  if (object.name.empty()) return protocol::text(kind, " with id ", object.object);
  return protocol::text(kind, " \"", object.name, "\"");
}

}  // namespace shoal::internal
