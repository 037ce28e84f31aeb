// See loading.h.
#include "tools/loading.h"

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include <shoal/array.h>
#include <shoal/cell.h>
#include <shoal/list.h>
#include <shoal/shareable_list.h>

#include "tools/entries.h"
#include "tools/format.h"
#include "tools/held_objects.h"
#include "tools/list_commands.h"
#include "tools/typed_values.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

// ---- what has keys: an entry a line ----

class OfEntries final : public Loading {
 public:
  explicit OfEntries(std::unique_ptr<Entries> entries) : entries_(std::move(entries)) {}
  absl::Status add(const Json& line) override {
    if (!line.is_array() || line.size() != 2) {
      return absl::InvalidArgumentError("an entry is [key,value]");
    }
    return entries_->insert(line[0], line[1]);
  }
  absl::Status finish() override { return absl::OkStatus(); }
  absl::Status give_up() override { return entries_->unlink(); }

 private:
  std::unique_ptr<Entries> entries_;
};

// ---- what has values: all at once ----

class OfValues : public Loading {
 public:
  OfValues(const Client& client, std::string name) : client_(client), name_(std::move(name)) {}
  absl::Status add(const Json& line) override {
    auto value = value_from_json(line);
    if (!value.ok()) return value.status();
    values_.push_back(*std::move(value));
    return absl::OkStatus();
  }

 protected:
  Client client_;
  std::string name_;
  std::vector<Value> values_;
};

class OfList final : public OfValues {
 public:
  OfList(const Client& client, std::string name)
      : OfValues(client, std::move(name)), held_(client) {}
  absl::Status add(const Json& line) override {
    absl::Status status = OfValues::add(line);
    return status.ok() ? held_.hold(values_.back()) : status;
  }
  absl::Status finish() override {
    auto list = client_.create<List>(name_);
    if (!list.ok()) return list.status();
    list_ = *std::move(list);
    return list_->extend(values_);
  }
  absl::Status give_up() override { return list_ ? list_->unlink() : absl::OkStatus(); }

 private:
  HeldObjects held_;
  std::optional<List> list_;
};

class OfShareableList final : public OfValues {
 public:
  using OfValues::OfValues;
  absl::Status finish() override {
    return client_.create<ShareableList>(name_, {.values = values_}).status();
  }
  absl::Status give_up() override { return absl::OkStatus(); }
};

// ---- what has values of a type ----

struct Type {
  std::string fingerprint;
  std::size_t bytes = 0;
};

absl::StatusOr<Type> type_in(const Json& first_line) {
  const auto type = first_line.find("type");
  const auto bytes = count_in(first_line, "value_size");
  if (type == first_line.end() || !type->is_string() || !bytes) {
    return absl::InvalidArgumentError(
        "the first line of a Cell's or an Array's dump has \"type\" and \"value_size\"");
  }
  return Type{.fingerprint = type->get<std::string>(), .bytes = *bytes};
}

struct TypedOptions {
  Type type;
  std::size_t size = 1;                 // of an array
  std::vector<std::byte> initial = {};  // of a cell
};

// A Cell or an Array of whatever type, as bytes.
template <Kind kind>
class Raw : public internal::ArenaKind<Raw<kind>> {
 public:
  using Options = TypedOptions;
  [[nodiscard]] std::span<std::byte> bytes() const { return {place_.bytes, place_.size}; }

 private:
  friend class internal::ArenaKind<Raw>;
  explicit Raw(std::shared_ptr<internal::Reference> reference)
      : internal::ArenaKind<Raw>(std::move(reference)),
        place_(internal::Place::of(*this->reference_)) {}
  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = kind,
            .parameter = options.size * options.type.bytes,
            .fingerprint = options.type.fingerprint,
            .element_bytes = static_cast<std::uint32_t>(options.type.bytes),
            .initial = options.initial};
  }

  internal::Place place_;
};

class OfCell final : public Loading {
 public:
  OfCell(const Client& client, std::string name, Type type)
      : client_(client), name_(std::move(name)), type_(std::move(type)) {}
  absl::Status add(const Json& line) override {
    if (value_) return absl::InvalidArgumentError("a Cell has one value, and this is another");
    auto value = typed_from_json(type_.fingerprint, type_.bytes, line);
    if (!value.ok()) return value.status();
    value_ = *std::move(value);
    return absl::OkStatus();
  }
  absl::Status finish() override {
    if (!value_) return absl::InvalidArgumentError("a Cell has one value, and there is none");
    return client_.create<Raw<Kind::kCell>>(name_, {.type = type_, .initial = *value_}).status();
  }
  absl::Status give_up() override { return absl::OkStatus(); }

 private:
  Client client_;
  std::string name_;
  Type type_;
  std::optional<std::vector<std::byte>> value_;
};

// Its elements go where they belong at once: they may be more than memory has room for twice.
class OfArray final : public Loading {
 public:
  OfArray(Raw<Kind::kArray> array, Type type) : array_(std::move(array)), type_(std::move(type)) {}
  absl::Status add(const Json& line) override {
    const std::span<std::byte> left = array_.bytes().subspan(written_);
    if (left.empty()) {
      return absl::InvalidArgumentError("the Array has no room for more elements than \"size\"");
    }
    const auto value = typed_from_json(type_.fingerprint, type_.bytes, line);
    if (!value.ok()) return value.status();
    std::memcpy(left.data(), value->data(), value->size());
    written_ += value->size();
    return absl::OkStatus();
  }
  absl::Status finish() override { return absl::OkStatus(); }
  absl::Status give_up() override { return array_.unlink(); }

 private:
  Raw<Kind::kArray> array_;
  Type type_;
  std::size_t written_ = 0;
};

using Begun = absl::StatusOr<std::unique_ptr<Loading>>;

Begun begin_cell(const Client& client, const std::string& name, const Json& first_line) {
  constexpr std::size_t kCellBytesMax = std::size_t{16} << 10;
  auto type = type_in(first_line);
  if (!type.ok()) return type.status();
  if (type->bytes == 0 || type->bytes > kCellBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("\"value_size\" is ", type->bytes,
                                                   "; that of a Cell is 1 to ", kCellBytesMax));
  }
  return std::make_unique<OfCell>(client, name, *std::move(type));
}

Begun begin_array(const Client& client, const std::string& name, const Json& first_line) {
  constexpr std::size_t kElementBytesMax = UINT32_MAX;
  auto type = type_in(first_line);
  if (!type.ok()) return type.status();
  const auto size = count_in(first_line, "size");
  const bool fits = size && type->bytes > 0 && type->bytes <= kElementBytesMax &&
                    *size <= UINT64_MAX / type->bytes;
  if (!fits) {
    return absl::InvalidArgumentError(
        "the first line of an Array's dump has \"value_size\", the bytes of an element, and "
        "\"size\", how many elements there are");
  }
  auto array = client.create<Raw<Kind::kArray>>(name, {.type = *type, .size = *size});
  if (!array.ok()) return array.status();
  return std::make_unique<OfArray>(*std::move(array), *std::move(type));
}

}  // namespace

Kind kind_in(const Json& first_line) {
  const auto named = first_line.find("kind");
  if (named == first_line.end()) return Kind::kUnknown;
  for (auto kind = Kind::kSharedMemory; kind <= Kind::kNamespace;
       kind = static_cast<Kind>(static_cast<std::uint16_t>(kind) + 1)) {
    if (*named == kind_name(kind)) return kind;
  }
  return Kind::kUnknown;
}

Begun Loading::begin(const Client& client, const std::string& name, const Json& first_line) {
  const Kind kind = kind_in(first_line);
  if (has_entries(kind)) {
    auto entries = Entries::create(client, name, first_line);
    if (!entries.ok()) return entries.status();
    return std::make_unique<OfEntries>(*std::move(entries));
  }
  switch (kind) {
    case Kind::kList:
      return std::make_unique<OfList>(client, name);
    case Kind::kShareableList:
      return std::make_unique<OfShareableList>(client, name);
    case Kind::kCell:
      return begin_cell(client, name, first_line);
    case Kind::kArray:
      return begin_array(client, name, first_line);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("load-object makes a Dict, Namespace, TypedDict, List, ShareableList, Cell "
                       "or Array, not a ",
                       escaped(first_line.at("kind").dump())));
  }
}

}  // namespace shoal::tools
