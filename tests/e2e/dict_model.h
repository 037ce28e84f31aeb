// A process that owns a part of the keys of a shared dict, and knows what each of them holds: only
// it changes them, so its model (a hash table of its own) says what every call must answer, however
// many others are at work in the same dict. Of the others' keys it knows what any value of theirs
// must look like.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include <shoal/dict.h>
#include <shoal/transaction.h>

namespace shoal::e2e {

class DictOwner {
 public:
  // How the calls of a round fall: over which of the keys, and how many of 100 erase.
  struct Round {
    std::int64_t operations = 0;
    std::int64_t universe = 0;
    int erasing = 0;
  };

  DictOwner(Client client, Dict dict, int owner, int owners, std::uint64_t seed)
      : client_(std::move(client)),
        dict_(std::move(dict)),
        owner_(owner),
        owners_(owners),
        draw_(seed * 1000 + static_cast<std::uint64_t>(owner)) {}

  // Throws if anything is not as it must be.
  void work(const Round& round) {
    constexpr std::int64_t kOperationsOfALook = 2500;  // it copies all there is
    for (std::int64_t i = 0; i < round.operations; ++i) {
      const std::int64_t id = 2 + below(round.universe);
      const auto chance = static_cast<int>(below(100));
      if (chance < 25) {
        read_one(static_cast<int>(below(owners_)), 2 + below(round.universe));
      } else if (chance < 28) {
        read_pair(static_cast<int>(below(owners_)));
      } else if (chance < 30) {
        change_pair();
      } else if (chance < 33) {
        change_several(round.universe);
      } else if (chance < 33 + round.erasing) {
        take_away(id);
      } else {
        change(id);
      }
      if (i % kOperationsOfALook == kOperationsOfALook - 1) look_at_all();
    }
  }

  // All that is there, while others go on: of this owner's keys, what its model says.
  void look_at_all() {
    const std::vector<DictEntry> all = got(dict_.items(), "items");
    std::size_t met = 0;
    const std::vector<DictEntry> mine = entries();
    for (const DictEntry& entry : all) {
      const auto [owner, id] = identified(entry.key);
      if (owner != owner_) {
        expect(is_of(entry.value, owner, id), "a value that nobody has put: ", entry);
        continue;
      }
      expect(met < mine.size() && mine[met] == entry,
             "not in its place, or not its value: ", entry);
      ++met;
    }
    expect(met == mine.size(), "entries are missing, the first is ",
           mine.empty() ? DictEntry() : mine[std::min(met, mine.size() - 1)]);
  }

  // What its model has, in the order of insertion.
  [[nodiscard]] std::vector<DictEntry> entries() const {
    std::vector<std::pair<std::int64_t, std::int64_t>> order;
    for (const auto& [id, held] : model_) order.emplace_back(held.inserted, id);
    std::sort(order.begin(), order.end());
    std::vector<DictEntry> all;
    for (const auto& [inserted, id] : order)
      all.push_back({key_of(owner_, id), model_.at(id).value});
    return all;
  }
  [[nodiscard]] std::size_t size() const { return model_.size(); }

  // Somebody has taken all entries away, and nobody works.
  void forget() { model_.clear(); }

  // Whose key this is, and which one.
  [[nodiscard]] std::pair<int, std::int64_t> identified(const Value& key) const {
    if (const std::int64_t* number = key.as_int()) {
      return {static_cast<int>(*number % owners_), *number / owners_};
    }
    if (key.is_tuple() && key.items().size() == 2) {
      return {static_cast<int>(*key.items()[0].as_int()), *key.items()[1].as_int()};
    }
    const std::string_view text = key.is_bytes() ? key.as_bytes()->view() : *key.as_string();
    int owner = -1;
    std::int64_t id = -1;
    const char* const end = text.data() + text.size();
    const char* const at = std::from_chars(text.data(), end, owner).ptr;
    if (at < end) (void)std::from_chars(at + 1, end, id);
    return {owner, id};
  }

 private:
  struct Held {
    Value value;
    std::int64_t inserted = 0;
  };

  // ---- keys and values that say whose they are ----

  [[nodiscard]] Value key_of(int owner, std::int64_t id) const {
    const std::string text = std::to_string(owner) + '/' + std::to_string(id) + '/';
    switch (id % 5) {
      case 0:
        return owner + owners_ * id;
      case 1:
        return Bytes(text);
      case 2:
        return Value::tuple({owner, id});
      case 3:
        return text + std::string(static_cast<std::size_t>(100 + id % 300), 'k');
      default:
        return text;
    }
  }
  // Every third key, and the pair, has numbers: of this remainder, so that sums keep it.
  static constexpr std::int64_t kStep = std::int64_t{1} << 32;
  static bool is_number(std::int64_t id) { return id < 2 || id % 3 == 0; }
  [[nodiscard]] std::int64_t code_of(int owner, std::int64_t id) const {
    return id < 2 ? owner : owner + owners_ * id;
  }
  static std::string text_of(int owner, std::int64_t id, std::size_t length, char filler) {
    return std::to_string(owner) + '/' + std::to_string(id) + '/' + std::to_string(length) + '/' +
           std::string(length, filler);
  }

  Value draw_value(std::int64_t id) {
    if (is_number(id)) return code_of(owner_, id) + kStep * below(1000);
    std::int64_t most = 80;
    const std::int64_t size = below(400);
    if (size < 20) most = 3000;
    if (size == 0) most = 60'000;
    const auto filler = static_cast<char>('a' + below(26));
    std::string text = text_of(owner_, id, static_cast<std::size_t>(below(most)), filler);
    switch (below(3)) {
      case 0:
        return Bytes(std::move(text));
      case 1:
        return Value::list({below(10), Value::tuple({std::move(text)}), nullptr});
      default:
        return text;
    }
  }

  // Whether the owner may have put it there: never half of one value and half of another.
  [[nodiscard]] bool is_of(const Value& value, int owner, std::int64_t id) const {
    if (is_number(id)) {
      return value.is_int() && *value.as_int() % kStep == code_of(owner, id);
    }
    const Value* text = &value;
    if (value.is_list() && value.items().size() == 3) text = &value.items()[1];
    if (text->is_tuple() && text->items().size() == 1) text = &text->items()[0];
    if (!text->is_string() && !text->is_bytes()) return false;
    const std::string_view bytes =
        text->is_bytes() ? text->as_bytes()->view() : std::string_view(*text->as_string());
    const std::string head = std::to_string(owner) + '/' + std::to_string(id) + '/';
    if (!bytes.starts_with(head)) return false;
    std::size_t length = 0;
    const char* const end = bytes.data() + bytes.size();
    const char* const at = std::from_chars(bytes.data() + head.size(), end, length).ptr;
    if (static_cast<std::size_t>(end - at) != length + 1) return false;
    return length == 0 || bytes == text_of(owner, id, length, bytes.back());
  }

  // ---- what must be so ----

  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(draw_() % static_cast<std::uint64_t>(limit));
  }
  void expect(bool good, std::string_view what, const DictEntry& entry) const {
    if (good) return;
    constexpr std::size_t kMost = 200;
    throw std::runtime_error("owner " + std::to_string(owner_) + ": " + std::string(what) +
                             entry.key.to_string().substr(0, kMost) + ": " +
                             entry.value.to_string().substr(0, kMost));
  }
  void expect(bool good, std::string_view what, std::int64_t id) const {
    if (good) return;
    const auto held = model_.find(id);
    expect(false, what, {key_of(owner_, id), held == model_.end() ? Value() : held->second.value});
  }
  template <typename T>
  static T got(absl::StatusOr<T> value, std::string_view what) {
    if (!value.ok()) throw std::runtime_error(std::string(what) + ": " + value.status().ToString());
    return *std::move(value);
  }
  // OK if the key is there, else NOT_FOUND.
  void answers(const absl::Status& status, std::int64_t id, std::string_view what) const {
    const auto wanted = held(id) != nullptr ? absl::StatusCode::kOk : absl::StatusCode::kNotFound;
    if (status.code() != wanted) expect(false, std::string(what) + ": " + status.ToString(), id);
  }
  void done(const absl::Status& status, std::int64_t id, std::string_view what) const {
    if (!status.ok()) expect(false, std::string(what) + ": " + status.ToString() + ": ", id);
  }

  // ---- the model ----

  [[nodiscard]] const Value* held(std::int64_t id) const {
    const auto found = model_.find(id);
    return found == model_.end() ? nullptr : &found->second.value;
  }
  [[nodiscard]] std::optional<Value> copied(std::int64_t id) const {
    const Value* const value = held(id);
    return value == nullptr ? std::nullopt : std::optional<Value>(*value);
  }
  void note(std::int64_t id, const Value& value) {
    Held& place = model_[id];
    if (place.inserted == 0) place.inserted = ++inserted_;
    place.value = value;
  }

  // ---- calls: dict_model_calls.h ----

  void read_one(int owner, std::int64_t id);
  void read_pair(int owner);
  void change_pair();
  void change_several(std::int64_t universe);
  void transact_several(const std::vector<std::int64_t>& ids);
  void take_away(std::int64_t id);
  void change(std::int64_t id);
  void add(std::int64_t id);
  void put(std::int64_t id);
  void swap(std::int64_t id);

  Client client_;
  Dict dict_;
  int owner_;
  int owners_;
  std::mt19937_64 draw_;
  std::unordered_map<std::int64_t, Held> model_;
  std::int64_t inserted_ = 0;
};

}  // namespace shoal::e2e
