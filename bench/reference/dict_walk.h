// The sides of the dict/ rows in one process, made of any dict. Knows nothing of shoal.
//
// A dict has, none of it virtual, since a lookup may take no longer than a virtual call does:
//   using Value                                  Bytes64 or std::int64_t
//   bool get(const Key& key, Value* value)       whether it is there; copies it out
//   bool put(const Key& key, const Value& value) inserts or assigns: whether it was done
//   std::int64_t increment(const Key& key)       of integers: the sum after adding one
//   void renew()                                 for Operation::kInsert: empty again, and as small
#pragma once

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

#include "reference/dict_work.h"
#include "reference/side.h"

namespace reference {

enum class Operation { kGet, kMiss, kUpdate, kIncrement, kInsert };

// A dict, and the way through its keys.
template <typename Dict>
class DictWalk {
 public:
  using Value = typename Dict::Value;

  // The other arguments make the dict.
  template <typename... Arguments>
  DictWalk(std::size_t entries, std::uint64_t round, Arguments&&... arguments)
      : dict_(std::forward<Arguments>(arguments)...),
        keys_(keys_of(entries)),
        round_(round),
        cursor_{entries} {}

  // All keys, `value_of(k)` for the k-th.
  template <typename ValueOf>
  void fill(ValueOf value_of) {
    for (const std::uint32_t k : keys_.insertion) {
      if (!dict_.put(keys_.present[k], value_of(k))) give_up("dict", "an entry was refused");
    }
  }
  void fill() {
    fill([](std::size_t k) { return values<Value>()[k % kValues]; });
  }
  // With values that no update writes.
  void fill_to_be_updated() {
    fill([](std::size_t k) { return values<Value>()[(k + 1) % kValues]; });
  }

  std::uint64_t get(std::uint64_t rounds) {
    return walk(keys_.present, rounds, [this](const Key& key, const Value&) { return read(key); });
  }

  std::uint64_t miss(std::uint64_t rounds) {
    return walk(keys_.absent, rounds, [this](const Key& key, const Value&) {
      Value value;
      return std::uint64_t{dict_.get(key, &value) ? 0U : 1U};
    });
  }

  // Until `stop()`, too, which is asked before each operation.
  template <typename Stop>
  std::uint64_t update(std::uint64_t rounds, Stop stop) {
    return walk(
        keys_.present, rounds,
        [this](const Key& key, const Value& value) {
          return std::uint64_t{dict_.put(key, value) ? 1U : 0U};
        },
        stop);
  }
  std::uint64_t update(std::uint64_t rounds) {
    return update(rounds, [] { return false; });
  }

  std::uint64_t increment(std::uint64_t rounds) {
    return walk(keys_.present, rounds, [this](const Key& key, const Value&) {
      return static_cast<std::uint64_t>(dict_.increment(key) - cursor_.passes);
    });
  }

  // Ends the pass, so that every key has had its turn as often as every other.
  template <typename Do>
  void end_pass(Do run) {
    if (cursor_.at != 0) run((keys_.present.size() - cursor_.at) / round_);
  }

  // Every entry, by place, `part(value)` of each.
  template <typename Part>
  std::uint64_t fold_all(Part part) {
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < keys_.present.size(); ++k) {
      Value value;
      if (!dict_.get(keys_.present[k], &value)) give_up("dict", "an entry is gone");
      sum += part(value) * (2 * k + 1);
    }
    return sum;
  }
  std::uint64_t fold_all() {
    return fold_all([](const Value& value) { return fold(value); });
  }

  Dict& dict() { return dict_; }
  [[nodiscard]] const Keys& keys() const { return keys_; }
  [[nodiscard]] std::int64_t passes() const { return cursor_.passes; }
  void start_at(std::size_t key) { cursor_.at = key; }

 private:
  static constexpr auto kNever = [] { return false; };

  std::uint64_t read(const Key& key) {
    Value value;
    if (!dict_.get(key, &value)) return 0;
    if constexpr (std::is_integral_v<Value>) {
      keep(value);
    } else {
      // All of it is copied, whatever the compiler knows of the sum.
      keep(&value);
      touch_memory();
    }
    return fold(value);
  }

  template <typename Step, typename Stop = decltype(kNever)>
  std::uint64_t walk(const std::vector<Key>& keys, std::uint64_t rounds, Step step,
                     Stop stop = kNever) {
    const std::array<Value, kValues>& all = values<Value>();
    std::uint64_t sum = 0;
    for (; rounds > 0; --rounds) {
      const Key* key = keys.data() + cursor_.at;
      for (std::uint64_t left = round_; left > 0; left -= kValues) {
        for (std::size_t i = 0; i < kValues; ++i, ++key) {
          if (stop()) return sum;
          sum += step(*key, all[i]);
          keep(sum);
        }
      }
      cursor_.advance(round_);
    }
    return sum;
  }

  Dict dict_;
  const Keys& keys_;
  std::uint64_t round_;
  Cursor cursor_;
};

template <typename Dict>
class DictSide : public Side {
 protected:
  template <typename... Arguments>
  explicit DictSide(std::size_t entries, std::uint64_t round, Arguments&&... arguments)
      : walk_(entries, round, std::forward<Arguments>(arguments)...) {}

  DictWalk<Dict> walk_;
};

template <typename Dict>
class GetSide final : public DictSide<Dict> {
 public:
  template <typename... Arguments>
  explicit GetSide(Arguments&&... arguments)
      : DictSide<Dict>(std::forward<Arguments>(arguments)...) {
    this->walk_.fill();
  }

  std::uint64_t run(std::uint64_t rounds) override { return this->walk_.get(rounds); }
};

template <typename Dict>
class MissSide final : public DictSide<Dict> {
 public:
  template <typename... Arguments>
  explicit MissSide(Arguments&&... arguments)
      : DictSide<Dict>(std::forward<Arguments>(arguments)...) {
    this->walk_.fill();
  }

  std::uint64_t run(std::uint64_t rounds) override { return this->walk_.miss(rounds); }
};

template <typename Dict>
class UpdateSide final : public DictSide<Dict> {
 public:
  template <typename... Arguments>
  explicit UpdateSide(Arguments&&... arguments)
      : DictSide<Dict>(std::forward<Arguments>(arguments)...) {
    this->walk_.fill_to_be_updated();
  }

  std::uint64_t run(std::uint64_t rounds) override { return this->walk_.update(rounds); }

  std::uint64_t digest() override {
    this->walk_.end_pass([this](std::uint64_t rounds) { run(rounds); });
    return this->walk_.fold_all();
  }
};

template <typename Dict>
class IncrementSide final : public DictSide<Dict> {
 public:
  template <typename... Arguments>
  explicit IncrementSide(Arguments&&... arguments)
      : DictSide<Dict>(std::forward<Arguments>(arguments)...) {
    this->walk_.fill([](std::size_t) { return std::int64_t{0}; });
  }

  std::uint64_t run(std::uint64_t rounds) override { return this->walk_.increment(rounds); }

  std::uint64_t digest() override {
    this->walk_.end_pass([this](std::uint64_t rounds) { run(rounds); });
    return this->walk_.fold_all([this](std::int64_t value) {
      return static_cast<std::uint64_t>(value - this->walk_.passes());
    });
  }
};

// A round is all keys into an empty dict. Ending the one before, and making a new one, is a pause.
template <typename Dict>
class InsertSide final : public DictSide<Dict> {
 public:
  template <typename... Arguments>
  explicit InsertSide(Arguments&&... arguments)
      : DictSide<Dict>(std::forward<Arguments>(arguments)...) {}

  std::uint64_t run(std::uint64_t rounds) override {
    using Clock = std::chrono::steady_clock;
    std::uint64_t sum = 0;
    paused_ns_ = 0;
    for (; rounds > 0; --rounds) {
      const auto start = Clock::now();
      this->walk_.dict().renew();
      paused_ns_ += std::chrono::duration<double, std::nano>(Clock::now() - start).count();
      sum += this->walk_.update(this->walk_.keys().present.size() / kDictRound);
    }
    return sum;
  }

  [[nodiscard]] double paused_ns() const override { return paused_ns_; }
  std::uint64_t digest() override { return this->walk_.fold_all(); }

 private:
  double paused_ns_ = 0;
};

// A side that does `operation`, `round` operations a round; of kInsert it is as many as entries.
template <typename Dict, typename... Arguments>
std::unique_ptr<Side> dict_side(Operation operation, std::size_t entries, std::uint64_t round,
                                Arguments&&... arguments) {
  const auto make = [&]<typename S>(std::type_identity<S>) -> std::unique_ptr<Side> {
    return std::make_unique<S>(entries, round, std::forward<Arguments>(arguments)...);
  };
  if (operation == Operation::kGet) return make(std::type_identity<GetSide<Dict>>());
  if (operation == Operation::kMiss) return make(std::type_identity<MissSide<Dict>>());
  if (operation == Operation::kUpdate) return make(std::type_identity<UpdateSide<Dict>>());
  if constexpr (std::is_same_v<typename Dict::Value, std::int64_t>) {
    if (operation == Operation::kIncrement) return make(std::type_identity<IncrementSide<Dict>>());
  }
  if constexpr (requires(Dict & dict) { dict.renew(); }) {
    if (operation == Operation::kInsert) {
      return std::make_unique<InsertSide<Dict>>(entries, kDictRound,
                                                std::forward<Arguments>(arguments)...);
    }
  }
  give_up("dict", "no such operation");
}

}  // namespace reference
