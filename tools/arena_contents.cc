// See arena_contents.h.
#include "tools/arena_contents.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include <shoal/array.h>
#include <shoal/cell.h>
#include <shoal/event.h>
#include <shoal/semaphore.h>

#include "tools/format.h"
#include "tools/json.h"
#include "tools/table.h"
#include "tools/typed_values.h"

namespace shoal::tools {
namespace {

constexpr OpenOptions kReading = {.access = Access::kReadOnly};

// A cell or an array of whatever type, as bytes.
template <Kind kind>
class Untyped : public internal::ArenaKind<Untyped<kind>> {
 public:
  struct Options {};

  // A copy of a cell's value, whole.
  [[nodiscard]] absl::StatusOr<std::vector<std::byte>> load(std::size_t size) const {
    std::vector<std::byte> value(size);
    if (size == 1 || size == 2 || size == 4 || size == 8) {
      if (place_.size < size || !place_.may_read()) return refusal();
      const auto* word = reinterpret_cast<std::uint64_t*>(place_.bytes);
      const std::uint64_t now =
          std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(*word)).load();
      std::memcpy(value.data(), &now, size);
      return value;
    }
    absl::Status status = internal::load_cell(this->reference_.get(), value);
    if (!status.ok()) return status;
    return value;
  }
  // An array's memory.
  [[nodiscard]] std::span<const std::byte> bytes() const { return {place_.bytes, place_.size}; }
  [[nodiscard]] absl::Status refusal() const { return internal::refusal(this->reference_.get()); }

 private:
  friend class internal::ArenaKind<Untyped>;
  explicit Untyped(std::shared_ptr<internal::Reference> reference)
      : internal::ArenaKind<Untyped>(std::move(reference)),
        place_(internal::Place::of(*this->reference_)) {}
  static internal::ArenaRequest wanted(const Options&) { return {.kind = kind}; }

  internal::Place place_;
};

absl::Status has_no_elements(const ObjectInfo& object) {
  return absl::FailedPreconditionError(absl::StrCat(escaped(object.name), " is a ",
                                                    std::string(kind_name(object.kind)),
                                                    " and has no elements; leave out the index"));
}

absl::Status has_no_contents(const ObjectInfo& object) {
  return absl::FailedPreconditionError(absl::StrCat(
      escaped(object.name), " is a ", std::string(kind_name(object.kind)),
      ", which has no contents; see who has it: shoalctl stat ", escaped(object.name)));
}

int answer(const Invocation& asked, const Json& value, const std::string& text) {
  if (asked.json()) {
    Json json = json_answer();
    json["value"] = value;
    print_json(json);
  } else {
    print(text + '\n');
  }
  return kDone;
}

absl::StatusOr<std::vector<std::byte>> load_cell(const Client& client, const ObjectInfo& object) {
  const auto cell = client.open<Untyped<Kind::kCell>>(object.name, kReading);
  if (!cell.ok()) return cell.status();
  return cell->load(object.parameter);
}

template <class T>
int get_semaphore(const Invocation& asked, const Client& client, const ObjectInfo& object) {
  const auto semaphore = client.open<T>(object.name, kReading);
  if (!semaphore.ok()) return fail(semaphore.status());
  const auto value = semaphore->value();
  if (!value.ok()) return fail(value.status());
  return answer(asked, *value, absl::StrCat(*value));
}

int get_event(const Invocation& asked, const Client& client, const ObjectInfo& object) {
  const auto event = client.open<Event>(object.name, kReading);
  if (!event.ok()) return fail(event.status());
  const bool set = event->is_set();
  return answer(asked, set, set ? "true" : "false");
}

// The elements of an array, one after the other; all of it stays attached meanwhile.
class Elements {
 public:
  static absl::StatusOr<Elements> of(const Client& client, const ObjectInfo& object) {
    auto array = client.open<Untyped<Kind::kArray>>(object.name, kReading);
    if (!array.ok()) return array.status();
    const std::size_t bytes = object.element_bytes;
    if (bytes == 0) return absl::DataLossError("the manager says that its elements have no size");
    return Elements(*std::move(array), bytes);
  }
  [[nodiscard]] std::size_t size() const { return array_.bytes().size() / bytes_; }
  // A copy: a value that others write must not change while it is looked at.
  [[nodiscard]] std::vector<std::byte> at(std::size_t index) const {
    const auto from = array_.bytes().subspan(index * bytes_, bytes_);
    return {from.begin(), from.end()};
  }

 private:
  Elements(Untyped<Kind::kArray> array, std::size_t bytes)
      : array_(std::move(array)), bytes_(bytes) {}
  Untyped<Kind::kArray> array_;
  std::size_t bytes_;
};

int get_array(const Invocation& asked, const Client& client, const ObjectInfo& object,
              std::optional<std::int64_t> index) {
  const auto elements = Elements::of(client, object);
  if (!elements.ok()) return fail(elements.status());
  if (index) {
    const auto size = static_cast<std::int64_t>(elements->size());
    const std::int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) {
      return fail(absl::OutOfRangeError(
          absl::StrCat(escaped(object.name), " has ", size, " elements, and no element ", *index)));
    }
    const auto value = elements->at(static_cast<std::size_t>(at));
    return answer(asked, typed_json(object.fingerprint, value),
                  typed_text(object.fingerprint, value));
  }
  Json values = Json::array();
  Table table({">INDEX", "VALUE"});
  for (std::size_t at = 0; at < elements->size(); ++at) {
    const auto value = elements->at(at);
    if (asked.json()) {
      values.push_back(typed_json(object.fingerprint, value));
    } else {
      table.add({absl::StrCat(at), typed_text(object.fingerprint, value)});
    }
  }
  if (asked.json()) {
    Json json = json_answer();
    json["values"] = std::move(values);
    print_json(json);
  } else {
    print(table.text());
  }
  return kDone;
}

Json first_line(const ObjectInfo& object, std::size_t size) {
  Json json;
  json["kind"] = kind_name(object.kind);
  json["name"] = object.name;
  json["type"] = object.fingerprint;
  json["value_size"] = object.kind == Kind::kCell ? object.parameter : object.element_bytes;
  json["size"] = size;
  return json;
}

}  // namespace

int get_in_arena(const Invocation& asked, const Client& client, const ObjectInfo& object,
                 std::optional<std::int64_t> index) {
  if (index && object.kind != Kind::kArray) return fail(has_no_elements(object));
  switch (object.kind) {
    case Kind::kCell: {
      const auto value = load_cell(client, object);
      if (!value.ok()) return fail(value.status());
      return answer(asked, typed_json(object.fingerprint, *value),
                    typed_text(object.fingerprint, *value));
    }
    case Kind::kArray:
      return get_array(asked, client, object, index);
    case Kind::kEvent:
      return get_event(asked, client, object);
    case Kind::kSemaphore:
      return get_semaphore<Semaphore>(asked, client, object);
    case Kind::kBoundedSemaphore:
      return get_semaphore<BoundedSemaphore>(asked, client, object);
    default:
      return fail(has_no_contents(object));
  }
}

int dump_in_arena(const Client& client, const ObjectInfo& object) {
  if (object.kind != Kind::kCell && object.kind != Kind::kArray) {
    return fail(has_no_contents(object));
  }
  if (object.kind == Kind::kCell) {
    const auto value = load_cell(client, object);
    if (!value.ok()) return fail(value.status());
    print_json(first_line(object, 1));
    print_json(typed_dump(object.fingerprint, *value));
    return kDone;
  }
  const auto elements = Elements::of(client, object);
  if (!elements.ok()) return fail(elements.status());
  print_json(first_line(object, elements->size()));
  for (std::size_t at = 0; at < elements->size(); ++at) {
    print_json(typed_dump(object.fingerprint, elements->at(at)));
  }
  return kDone;
}

}  // namespace shoal::tools
