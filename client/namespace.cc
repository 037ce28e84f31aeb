// Implements <shoal/namespace.h>: a dict whose keys are names.
#include "shoal/namespace.h"

#include "client/arena_reference.h"
#include "schemas/text.h"

namespace shoal {
namespace {

absl::Status is_empty(const std::string& object) {
  return protocol::error(absl::StatusCode::kInvalidArgument, "Namespace \"", object,
                         "\": the name of an attribute is empty; give 1 to 8192 bytes of UTF-8");
}

}  // namespace

absl::StatusOr<Value> Namespace::get(std::string_view name) const {
  if (name.empty()) return is_empty(this->name());
  return dict_.get(name);
}

absl::StatusOr<bool> Namespace::has(std::string_view name) const {
  if (name.empty()) return is_empty(this->name());
  return dict_.contains(name);
}

absl::StatusOr<std::vector<std::string>> Namespace::names() const {
  absl::StatusOr<std::vector<Value>> keys = dict_.keys();
  if (!keys.ok()) return keys.status();
  std::vector<std::string> names;
  names.reserve(keys->size());
  for (const Value& key : *keys) {
    const std::string* text = key.as_string();
    if (text == nullptr) {
      return internal::failure(memory::Result::kDamaged, *internal::object_of(reference_));
    }
    names.push_back(*text);
  }
  return names;
}

absl::Status Namespace::set(std::string_view name, const Value& value) const {
  if (name.empty()) return is_empty(this->name());
  return dict_.put(name, value);
}

absl::Status Namespace::erase(std::string_view name) const {
  if (name.empty()) return is_empty(this->name());
  return dict_.erase(name);
}

}  // namespace shoal
