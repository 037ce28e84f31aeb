// See entries.h.
#include "tools/entries.h"

#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include <shoal/namespace.h>
#include <shoal/typed_dict.h>

#include "tools/format.h"
#include "tools/held_objects.h"
#include "tools/typed_values.h"
#include "tools/values.h"

namespace shoal::tools {
namespace {

absl::StatusOr<Json> parsed(const std::string& word) {
  absl::StatusOr<Json> json = parse_json(word);
  if (json.ok()) return json;
  return absl::InvalidArgumentError(
      absl::StrCat(escaped(word), ": ", std::string(json.status().message())));
}

absl::Status is_there(const Json& key) {
  return absl::AlreadyExistsError(
      absl::StrCat("the key ", key.dump(), " is there already: an entry has a key of its own"));
}

Json in_form(const Value& value, Form form) {
  if (form == Form::kJson) return value_json(value);
  return form == Form::kDump ? value_dump(value) : Json(value_text(value));
}

// ---- keys and values of any kind ----

class ValueEntries : public Entries {
 public:
  explicit ValueEntries(const Client& client) : held_(client) {}

  absl::StatusOr<Json> get(const KeyWord& key, Form form) const override {
    const auto wanted = key_of(key);
    if (!wanted.ok()) return wanted.status();
    const auto value = get(*wanted);
    if (!value.ok()) return value.status();
    return form == Form::kText ? Json(bare_value_text(*value)) : in_form(*value, form);
  }
  absl::Status set(const KeyWord& key, const Json& value) const override {
    const auto wanted = key_of(key);
    if (!wanted.ok()) return wanted.status();
    return set(*wanted, value);
  }
  absl::Status insert(const Json& key, const Json& value) const override {
    const auto wanted = value_from_json(key);
    if (!wanted.ok()) return wanted.status();
    const absl::Status found = get(*wanted).status();
    if (found.ok()) return is_there(key);
    return absl::IsNotFound(found) ? set(*wanted, value) : found;
  }
  absl::Status show(Form form, absl::FunctionRef<void(std::size_t)> begin,
                    Show entry) const override {
    const auto all = items();
    if (!all.ok()) return all.status();
    begin(all->size());
    for (const DictEntry& each : *all) entry(in_form(each.key, form), in_form(each.value, form));
    return absl::OkStatus();
  }

 protected:
  [[nodiscard]] virtual absl::StatusOr<Value> get(const Value& key) const = 0;
  [[nodiscard]] virtual absl::Status put(const Value& key, const Value& value) const = 0;
  [[nodiscard]] virtual absl::StatusOr<std::vector<DictEntry>> items() const = 0;

 private:
  static absl::StatusOr<Value> key_of(const KeyWord& key) {
    if (!key.is_json) return Value(key.word);
    const auto json = parsed(key.word);
    if (!json.ok()) return json.status();
    return value_from_json(*json);
  }
  [[nodiscard]] absl::Status set(const Value& key, const Json& json) const {
    const auto value = value_from_json(json);
    if (!value.ok()) return value.status();
    absl::Status status = held_.hold(*value);
    return status.ok() ? put(key, *value) : status;
  }

  mutable HeldObjects held_;
};

class OfDict final : public ValueEntries {
 public:
  OfDict(Dict dict, const Client& client) : ValueEntries(client), dict_(std::move(dict)) {}
  absl::Status unlink() const override { return dict_.unlink(); }
  absl::StatusOr<DictStatistics> verify() const override { return dict_.verify(); }

 private:
  absl::StatusOr<Value> get(const Value& key) const override { return dict_.get(key); }
  absl::Status put(const Value& key, const Value& value) const override {
    return dict_.put(key, value);
  }
  absl::StatusOr<std::vector<DictEntry>> items() const override { return dict_.items(); }

  Dict dict_;
};

class OfNamespace final : public ValueEntries {
 public:
  OfNamespace(Namespace attributes, const Client& client)
      : ValueEntries(client), attributes_(std::move(attributes)) {}
  absl::Status unlink() const override { return attributes_.unlink(); }
  absl::StatusOr<DictStatistics> verify() const override { return attributes_.verify(); }

 private:
  static absl::StatusOr<std::string> name_in(const Value& key) {
    const std::string* name = key.as_string();
    if (name != nullptr) return *name;
    return absl::InvalidArgumentError(
        absl::StrCat(value_text(key), " is no name of an attribute: only text is"));
  }
  absl::StatusOr<Value> get(const Value& key) const override {
    const auto name = name_in(key);
    if (!name.ok()) return name.status();
    return attributes_.get(*name);
  }
  absl::Status put(const Value& key, const Value& value) const override {
    const auto name = name_in(key);
    if (!name.ok()) return name.status();
    return attributes_.set(*name, value);
  }
  absl::StatusOr<std::vector<DictEntry>> items() const override { return attributes_.items(); }

  Namespace attributes_;
};

// ---- keys and values of one type each ----

// A TypedDict of whatever types, as bytes.
class RawDict : public internal::ArenaKind<RawDict> {
 public:
  struct Options {
    std::string fingerprint;
    std::size_t key_bytes = 0;
    std::size_t value_bytes = 0;
  };
  [[nodiscard]] const internal::Reference* reference() const { return reference_.get(); }

 private:
  friend class internal::ArenaKind<RawDict>;
  using internal::ArenaKind<RawDict>::ArenaKind;
  static internal::ArenaRequest wanted(const Options& options) {
    return {.kind = Kind::kTypedDict,
            .parameter = options.key_bytes,
            .fingerprint = options.fingerprint,
            .element_bytes = static_cast<std::uint32_t>(options.value_bytes)};
  }
};

class OfTypedDict final : public Entries {
 public:
  OfTypedDict(RawDict dict, const std::string& fingerprint, std::size_t key_bytes,
              std::size_t value_bytes)
      : dict_(std::move(dict)),
        types_(fingerprint),
        key_type_(types_.substr(0, types_.find(','))),
        value_type_(types_.substr(std::min(key_type_.size() + 1, types_.size()))),
        key_bytes_(key_bytes),
        value_bytes_(value_bytes) {}

  absl::Status unlink() const override { return dict_.unlink(); }
  absl::StatusOr<Json> get(const KeyWord& key, Form form) const override {
    const auto bytes = key_of(key);
    if (!bytes.ok()) return bytes.status();
    std::vector<std::byte> value(value_bytes_);
    absl::Status status = internal::typed_get(dict_.reference(), *bytes, value);
    if (!status.ok()) return status;
    return in_form(value_type_, value, form);
  }
  absl::Status set(const KeyWord& key, const Json& value) const override {
    const auto bytes = key_of(key);
    if (!bytes.ok()) return bytes.status();
    return put(*bytes, value);
  }
  absl::Status insert(const Json& key, const Json& value) const override {
    const auto bytes = typed_from_json(key_type_, key_bytes_, key);
    if (!bytes.ok()) return bytes.status();
    std::vector<std::byte> there(value_bytes_);
    const absl::Status found = internal::typed_get(dict_.reference(), *bytes, there);
    if (found.ok()) return is_there(key);
    return absl::IsNotFound(found) ? put(*bytes, value) : found;
  }
  absl::Status show(Form form, absl::FunctionRef<void(std::size_t)> begin,
                    Show entry) const override {
    std::vector<std::pair<Json, Json>> all;
    absl::Status status = internal::typed_entries(
        dict_.reference(), key_bytes_, value_bytes_,
        [&](const std::byte* key, const std::byte* value) {
          all.emplace_back(in_form(key_type_, {key, key_bytes_}, form),
                           in_form(value_type_, {value, value_bytes_}, form));
        });
    if (!status.ok()) return status;
    begin(all.size());
    for (auto& [key, value] : all) entry(std::move(key), std::move(value));
    return absl::OkStatus();
  }
  absl::StatusOr<DictStatistics> verify() const override {
    return internal::verify_dict(dict_.reference());
  }

 private:
  static Json in_form(std::string_view type, std::span<const std::byte> bytes, Form form) {
    if (form == Form::kJson) return typed_json(type, bytes);
    return form == Form::kDump ? typed_dump(type, bytes) : Json(typed_text(type, bytes));
  }
  [[nodiscard]] absl::StatusOr<std::vector<std::byte>> key_of(const KeyWord& key) const {
    if (!key.is_json) return typed_from_text(key_type_, key_bytes_, key.word);
    const auto json = parsed(key.word);
    if (!json.ok()) return json.status();
    return typed_from_json(key_type_, key_bytes_, *json);
  }
  [[nodiscard]] absl::Status put(const std::vector<std::byte>& key, const Json& json) const {
    const auto value = typed_from_json(value_type_, value_bytes_, json);
    if (!value.ok()) return value.status();
    return internal::typed_put(dict_.reference(), key, *value);
  }

  RawDict dict_;
  std::string types_;
  std::string key_type_;
  std::string value_type_;
  std::size_t key_bytes_;
  std::size_t value_bytes_;
};

using Made = absl::StatusOr<std::unique_ptr<Entries>>;

template <class Of, class T, class... More>
Made made(absl::StatusOr<T> object, const More&... more) {
  if (!object.ok()) return object.status();
  return std::make_unique<Of>(*std::move(object), more...);
}

Made create_typed(const Client& client, const std::string& name, const Json& first_line) {
  const auto type = first_line.find("type");
  const auto key_bytes = count_in(first_line, "key_size");
  const auto value_bytes = count_in(first_line, "value_size");
  if (type == first_line.end() || !type->is_string() || !key_bytes || !value_bytes) {
    return absl::InvalidArgumentError(
        "the first line of a TypedDict's dump has \"type\", \"key_size\" and \"value_size\"");
  }
  const std::string fingerprint = type->get<std::string>();
  return made<OfTypedDict>(
      client.create<RawDict>(
          name, {.fingerprint = fingerprint, .key_bytes = *key_bytes, .value_bytes = *value_bytes}),
      fingerprint, *key_bytes, *value_bytes);
}

}  // namespace

bool has_entries(Kind kind) {
  return kind == Kind::kDict || kind == Kind::kTypedDict || kind == Kind::kNamespace;
}

Made Entries::open(const Client& client, const ObjectInfo& object, Access access) {
  const OpenOptions options = {.access = access};
  switch (object.kind) {
    case Kind::kDict:
      return made<OfDict>(client.open<Dict>(object.name, options), client);
    case Kind::kNamespace:
      return made<OfNamespace>(client.open<Namespace>(object.name, options), client);
    case Kind::kTypedDict:
      return made<OfTypedDict>(client.open<RawDict>(object.name, options), object.fingerprint,
                               static_cast<std::size_t>(object.parameter),
                               static_cast<std::size_t>(object.element_bytes));
    default:
      return absl::FailedPreconditionError(absl::StrCat(escaped(object.name), " is a ",
                                                        std::string(kind_name(object.kind)),
                                                        ", which has no keys"));
  }
}

Made Entries::create(const Client& client, const std::string& name, const Json& first_line) {
  const Json& kind = first_line.at("kind");
  if (kind == kind_name(Kind::kDict)) return made<OfDict>(client.create<Dict>(name), client);
  if (kind == kind_name(Kind::kNamespace)) {
    return made<OfNamespace>(client.create<Namespace>(name), client);
  }
  if (kind == kind_name(Kind::kTypedDict)) return create_typed(client, name, first_line);
  return absl::InvalidArgumentError(
      absl::StrCat("has no keys: a ", escaped(kind.get<std::string>())));
}

}  // namespace shoal::tools
