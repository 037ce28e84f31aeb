// An object with attributes, shared between processes: what Python's Manager().Namespace() is.
//
//   auto settings = client->open_or_create<shoal::Namespace>("settings");
//   settings->set("colour", "blue");
//   absl::StatusOr<shoal::Value> colour = settings->get("colour");   // NOT_FOUND if absent
//
// A name is UTF-8, from 1 to 8192 bytes; a value, anything a Dict's may be. Underneath it is a dict
// whose keys are texts: atomicity, order, memory, cost, death of a writer and errors are as dict.h
// says. INVALID_ARGUMENT: an empty name, or one that is not UTF-8.
// Ownership, thread and fork safety: arena_object.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/arena_object.h"
#include "shoal/dict.h"
#include "shoal/export.h"
#include "shoal/object.h"
#include "shoal/value.h"

namespace shoal {

class SHOAL_EXPORT Namespace : public internal::ArenaKind<Namespace> {
 public:
  using Options = DictOptions;

  Namespace() = default;  // closed

  // NOT_FOUND.
  [[nodiscard]] absl::StatusOr<Value> get(std::string_view name) const;
  [[nodiscard]] absl::StatusOr<bool> has(std::string_view name) const;
  // In the order in which they were first set.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> names() const;
  [[nodiscard]] absl::StatusOr<std::vector<DictEntry>> items() const { return dict_.items(); }

  absl::Status set(std::string_view name, const Value& value) const;
  // NOT_FOUND.
  absl::Status erase(std::string_view name) const;

  // Looks through all of it, while others go on. DATA_LOSS says the first thing that is wrong.
  [[nodiscard]] absl::StatusOr<DictStatistics> verify() const { return dict_.verify(); }

  absl::Status close() {
    *this = Namespace();
    return absl::OkStatus();
  }

 private:
  friend class internal::ArenaKind<Namespace>;

  explicit Namespace(std::shared_ptr<internal::Reference> reference)
      : internal::ArenaKind<Namespace>(reference), dict_(std::move(reference)) {}

  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kNamespace, .lifetime = options.lifetime, .access = options.access};
  }

  Dict dict_;
};

}  // namespace shoal
