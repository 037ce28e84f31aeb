// A Dict, a Namespace or a TypedDict, whichever it is, with its keys and values in the forms that
// shoalctl reads and writes.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/client.h>
#include <shoal/dict.h>
#include <shoal/object.h>

#include "tools/json.h"

namespace shoal::tools {

bool has_entries(Kind kind);

// A key or a value for programs, for loading back, and, as a JSON string, for people: values.h.
enum class Form { kJson, kDump, kText };

// A key as the command line has it.
struct KeyWord {
  std::string word;
  bool is_json = false;  // else text, or what typed_values.h takes for the type
};

class Entries {
 public:
  virtual ~Entries() = default;

  // FAILED_PRECONDITION: another kind.
  static absl::StatusOr<std::unique_ptr<Entries>> open(const Client& client,
                                                       const ObjectInfo& object, Access access);
  // A new one, as the first line of a dump says, or nothing but its "kind".
  static absl::StatusOr<std::unique_ptr<Entries>> create(const Client& client,
                                                         const std::string& name,
                                                         const Json& first_line);

  // Takes the name away, if it still is this object's.
  [[nodiscard]] virtual absl::Status unlink() const = 0;

  // NOT_FOUND.
  [[nodiscard]] virtual absl::StatusOr<Json> get(const KeyWord& key, Form form) const = 0;
  [[nodiscard]] virtual absl::Status set(const KeyWord& key, const Json& value) const = 0;
  // An entry of a dump. ALREADY_EXISTS: the key is there.
  [[nodiscard]] virtual absl::Status insert(const Json& key, const Json& value) const = 0;
  using Show = absl::FunctionRef<void(Json key, Json value)>;
  // All entries; `begin` is told how many before the first.
  [[nodiscard]] virtual absl::Status show(Form form, absl::FunctionRef<void(std::size_t)> begin,
                                          Show entry) const = 0;
  // What walking over all of it finds. DATA_LOSS: it is damaged.
  [[nodiscard]] virtual absl::StatusOr<DictStatistics> verify() const = 0;
};

}  // namespace shoal::tools
