// What changes a dict, as the kill sweeps do it (dict_world.h), and what must be true wherever
// whoever did it died: other keys stand as they are, the key it was about has its old value or its
// new one, and which of the two does not change any more.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/dict_world.h"
#include "tests/crash/sweep.h"

namespace shoal::test {

struct DictOperation {
  std::string name;
  std::function<void(Dict&, DictWorld&)> prepare;
  std::function<void(Dict&, Caller&)> victim;
  std::string key;                   // that it changes
  std::optional<std::string> after;  // its value then; none: it is erased
  std::uint32_t chunks = 4;
  bool is_long = false;   // too long for the linear pass: only drawn points
  int shards = 0;         // by how many it changes them
  bool rebuilds = false;  // a shard gets a new block
};

inline DictModel model_after(const DictOperation& operation, DictModel model) {
  model.erase(operation.key);
  if (operation.after) model[operation.key] = *operation.after;
  return model;
}

// What the victim finds.
inline DictModel prepared(const DictOperation& operation, std::span<std::byte> bytes) {
  DictWorld world(bytes, operation.chunks);
  world.lay(operation.chunks);
  Dict dict = world.open();
  operation.prepare(dict, world);
  DictModel model;
  if (!all_of(dict, model)) std::abort();
  return model;
}

// A copy that nobody may write, and out of which nobody may run.
class ReadOnlyCopy {
 public:
  explicit ReadOnlyCopy(std::span<const std::byte> from) : copy_(from.size()) {
    std::memcpy(copy_.data(), from.data(), from.size());
    if (mprotect(copy_.data(), copy_.size(), PROT_READ) != 0) std::abort();
  }
  [[nodiscard]] std::span<std::byte> span() const { return {copy_.data(), copy_.size()}; }
  void allow_writing() const {
    if (mprotect(copy_.data(), copy_.size(), PROT_READ | PROT_WRITE) != 0) std::abort();
  }

 private:
  GuardedBytes copy_;
};

// How the dead left it, and how it goes on. `states`: all that may be seen.
inline std::string judge_dict(std::span<const std::byte> bytes, std::uint32_t chunks,
                              const std::vector<DictModel>& states,
                              const std::vector<std::size_t>& dead, std::size_t& seen, int calls) {
  const ReadOnlyCopy copy(bytes);
  DictWorld world(copy.span(), chunks);
  {
    const Dict reader(world.view, world.arena, world.geometry, nullptr);
    std::string wrong;
    for (seen = 0; seen < states.size(); ++seen) {
      wrong = answers_as(reader, states[seen]);
      if (wrong.empty()) break;
    }
    if (seen == states.size()) return "before recovery: " + wrong;
  }
  copy.allow_writing();
  for (const std::size_t victim : dead) world.recover(victim);
  if (std::string wrong = whole(world, states[seen]); !wrong.empty()) return wrong;
  for (const std::size_t victim : dead) world.recover(victim);
  if (std::string wrong = whole(world, states[seen]); !wrong.empty()) {
    return "recovered again: " + wrong;
  }
  return go_on(world, states[seen], calls);
}

inline constexpr int kCallsAfterwards = 100;

inline Operation as_operation(const DictOperation& operation) {
  const auto states = std::make_shared<std::vector<DictModel>>();
  // What became of bytes that were judged before: many instructions change none.
  const auto judged = std::make_shared<std::map<std::uint64_t, Verdict>>();
  return {.name = operation.name,
          .prepare =
              [operation, states](std::span<std::byte> bytes) {
                const DictModel before = prepared(operation, bytes);
                *states = {before, model_after(operation, before)};
              },
          .victim = [operation](std::span<std::byte> bytes) -> std::function<void()> {
            const auto world = std::make_shared<DictWorld>(bytes, operation.chunks);
            const auto dict =
                std::make_shared<Dict>(world->view, world->arena, world->geometry, &world->memory);
            return [world, dict, operation] { operation.victim(*dict, world->victims[0]); };
          },
          .judge =
              [operation, states, judged](std::span<std::byte> bytes) {
                const auto [known, is_new] =
                    judged->try_emplace(memory::dict_hash(0, 0, bytes.data(), bytes.size()));
                Verdict& verdict = known->second;
                if (!is_new) return verdict;
                std::size_t seen = 0;
                verdict.violation =
                    judge_dict(bytes, operation.chunks, *states, {0}, seen, kCallsAfterwards);
                verdict.done = seen == 1;
                return verdict;
              }};
}

// ---- the operations ----

inline void put_numbers(Dict& dict, DictWorld& world, int from, int to) {
  for (int i = from; i < to; ++i) {
    (void)put_in(dict, world.survivor, "k" + std::to_string(i), number_value(i));
  }
}
inline void erase_numbers(Dict& dict, DictWorld& world, int from, int to) {
  for (int i = from; i < to; ++i) (void)erase_in(dict, world.survivor, "k" + std::to_string(i));
}
inline void contend(DictWorld& world) {
  world.for_each_shard([](memory::Shard& shard) { shard.contended.store(1000); });
}
inline std::uint32_t shards_of(const DictWorld& world) {
  std::uint32_t shards = 0;
  world.for_each_shard([&](const memory::Shard& shard) { shards += shard.depth.load() != 0; });
  return shards;
}
// Values until the next put of one as large must make a new block for shard 0. How many there are.
inline int fill_up(Dict& dict, DictWorld& world, unsigned size,
                   const std::string& value = number_value(0)) {
  const auto need = memory::entry_bytes(8, memory::padded(static_cast<unsigned>(value.size() - 1)));
  for (int i = 0;; ++i) {
    const memory::Shard& shard = world.descriptor().first;
    const memory::DictRoot root = memory::DictRoot::of(shard.root.load());
    const std::uint32_t slots = root.buckets() * memory::kSlotsPerBucket;
    const bool full =
        root.block != 0 && root.bytes_log == memory::kDictBlockLogs[size] &&
        (shard.tail.load() + need > root.bytes() || shard.used.load() >= slots / 16 * 14);
    if (full) return i;
    (void)put_in(dict, world.survivor, "k" + std::to_string(i), value);
  }
}

inline bool nearly_empty(const memory::Shard& shard) {
  const memory::DictRoot root = memory::DictRoot::of(shard.root.load());
  return shard.live.load() <= root.bytes() / 10 + 40;
}
// Two shards, of which the one of "a" becomes too empty without it; and the other one is so too.
inline void nearly_merged(Dict& dict, DictWorld& world) {
  put_numbers(dict, world, 0, 60);
  (void)put_in(dict, world.survivor, "a", number_value(1));
  contend(world);
  put_numbers(dict, world, 60, 61);
  auto* const page =
      reinterpret_cast<memory::Shard*>(world.arena + world.descriptor().first_page.load());
  for (int i = 0; i < 61; ++i) {
    const std::string key = "k" + std::to_string(i);
    const bool low = (dict.key(kTextKind, key).hash & 1) == 0;
    if (!nearly_empty(low ? world.descriptor().first : page[1])) {
      (void)erase_in(dict, world.survivor, key);
    }
  }
}

// Of two buckets one is full, of "k0" among others, and one entry more was looked for past it.
inline void overfill_a_bucket(Dict& dict, DictWorld& world) {
  for (int i = 0, put = 0; put <= static_cast<int>(memory::kSlotsPerBucket); ++i) {
    const std::string key = "k" + std::to_string(i);
    if ((memory::bucket_bits(dict.key(kTextKind, key).hash) & 1) != 0) continue;
    (void)put_in(dict, world.survivor, key, number_value(i));
    ++put;
  }
}

inline DictOperation put_operation(std::string name, std::function<void(Dict&, DictWorld&)> prepare,
                                   std::string key, const std::string& value) {
  return {.name = std::move(name),
          .prepare = std::move(prepare),
          .victim = [key, value](Dict& dict,
                                 Caller& caller) { (void)put_in(dict, caller, key, value); },
          .key = key,
          .after = value};
}
inline DictOperation erase_operation(std::string name,
                                     std::function<void(Dict&, DictWorld&)> prepare,
                                     std::string key) {
  return {.name = std::move(name),
          .prepare = std::move(prepare),
          .victim = [key](Dict& dict, Caller& caller) { (void)erase_in(dict, caller, key); },
          .key = key,
          .after = std::nullopt};
}

// Operations that make new blocks.
inline DictOperation rebuilding(DictOperation operation, int shards = 0, std::uint32_t chunks = 4,
                                bool is_long = false) {
  operation.rebuilds = true;
  operation.shards = shards;
  operation.chunks = chunks;
  operation.is_long = is_long;
  return operation;
}

inline std::string large(char c, std::size_t bytes = 3000) {
  return text_value(std::string(bytes, c));
}

inline std::vector<DictOperation> dict_operations() {
  const auto some = [](Dict& dict, DictWorld& world) { put_numbers(dict, world, 0, 6); };
  const auto with = [some](const std::vector<std::string>& values) {
    return [some, values](Dict& dict, DictWorld& world) {
      some(dict, world);
      for (const std::string& value : values) (void)put_in(dict, world.survivor, "a", value);
    };
  };
  std::vector<DictOperation> all;
  all.push_back(put_operation(
      "put the first", [](Dict&, DictWorld&) {}, "a", number_value(1)));
  all.push_back(put_operation("put one more", some, "a", text_value("first")));
  all.push_back(
      put_operation("put a number over one", with({number_value(1)}), "a", number_value(2)));
  all.push_back(
      put_operation("put a text over one", with({text_value("first")}), "a", text_value("second")));
  all.push_back(put_operation("put over a spare", with({text_value("first"), text_value("2nd")}),
                              "a", text_value("third")));
  all.push_back(put_operation("put over a larger spare",
                              with({text_value(std::string(60, 'a')), number_value(1)}), "a",
                              text_value("third")));
  all.push_back(put_operation("put a longer one", with({text_value("short"), text_value("brief")}),
                              "a", text_value(std::string(100, 'l'))));
  all.push_back(put_operation("put a large one", some, "a", large('n')));
  all.push_back(put_operation("put a large one over one", with({large('o')}), "a", large('n')));
  all.push_back(put_operation("put a small one over a large one", with({large('o')}), "a",
                              text_value("small")));
  all.push_back(put_operation("put a large one over a small one", with({text_value("small")}), "a",
                              large('n')));
  all.push_back(erase_operation("erase", with({text_value("first")}), "a"));
  all.push_back(
      erase_operation("erase one with a spare", with({text_value("1"), text_value("2")}), "a"));
  all.push_back(erase_operation("erase a large one", with({large('o')}), "a"));
  all.push_back(erase_operation(
      "erase the last",
      [](Dict& dict, DictWorld& world) {
        (void)put_in(dict, world.survivor, "a", number_value(1));
      },
      "a"));
  all.push_back(erase_operation("erase from a full bucket", overfill_a_bucket, "k0"));
  all.push_back(
      {.name = "increment",
       .prepare = with({number_value(41)}),
       .victim = [](Dict& dict, Caller& caller) { (void)increment_in(dict, caller, "a"); },
       .key = "a",
       .after = number_value(42)});
  all.push_back({.name = "pop the last",
                 .prepare = with({text_value("last")}),
                 .victim = [](Dict& dict, Caller& caller) { (void)pop_from(dict, caller); },
                 .key = "a",
                 .after = std::nullopt});
  all.push_back({.name = "pop a large one of two shards",
                 .prepare =
                     [](Dict& dict, DictWorld& world) {
                       put_numbers(dict, world, 0, 40);
                       contend(world);
                       put_numbers(dict, world, 40, 41);
                       (void)put_in(dict, world.survivor, "a", large('o'));
                     },
                 .victim = [](Dict& dict, Caller& caller) { (void)pop_from(dict, caller); },
                 .key = "a",
                 .after = std::nullopt});
  for (unsigned size = 0; size < 3; ++size) {
    const auto full = [size](Dict& dict, DictWorld& world) { (void)fill_up(dict, world, size); };
    all.push_back(rebuilding(
        put_operation("grow from size " + std::to_string(size), full, "a", number_value(1)), 0,
        size < 2 ? 4 : 6, size >= 2));
  }
  all.push_back(rebuilding(
      put_operation(
          "split a full block",
          [](Dict& dict, DictWorld& world) { (void)fill_up(dict, world, 3, large('o', 1900)); },
          "a", large('n', 1900)),
      1, 10, true));
  all.push_back(rebuilding(put_operation(
      "compact",
      [](Dict& dict, DictWorld& world) {
        const int next = fill_up(dict, world, 1);
        erase_numbers(dict, world, 20, next);
      },
      "a", text_value(std::string(60, 'c')))));
  all.push_back(rebuilding(put_operation(
                               "split when contended, with a header page",
                               [](Dict& dict, DictWorld& world) {
                                 put_numbers(dict, world, 0, 33);
                                 (void)put_in(dict, world.survivor, "large", large('s'));
                                 contend(world);
                               },
                               "a", number_value(1)),
                           1));
  all.push_back(rebuilding(put_operation(
                               "split a half again",
                               [](Dict& dict, DictWorld& world) {
                                 put_numbers(dict, world, 0, 40);
                                 contend(world);
                                 put_numbers(dict, world, 40, 90);
                                 contend(world);
                               },
                               "a", number_value(1)),
                           1));
  all.push_back(rebuilding(erase_operation(
      "shrink",
      [](Dict& dict, DictWorld& world) {
        put_numbers(dict, world, 0, 60);
        (void)put_in(dict, world.survivor, "a", number_value(1));
        // One less, and it is too empty.
        for (int i = 0; !nearly_empty(world.descriptor().first); ++i) {
          erase_numbers(dict, world, i, i + 1);
        }
      },
      "a")));
  all.push_back(rebuilding(erase_operation("merge two shards", nearly_merged, "a"), -1));
  return all;
}

}  // namespace shoal::test
