// Keys of a dict that all share, of one for each worker, of a TypedDict and of a Namespace. Every
// worker owns some of each and alone changes them, so it knows what every call must answer; it
// reads everybody's.
#include <algorithm>
#include <cstdlib>

#include "tests/torture/containers.h"
#include "tests/torture/key_values.h"
#include "tests/torture/ledger.h"
#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

// Of each worker, in this order: in the shared dict, so many that its shards are split and merged;
// in its own dict, which it also clears; in the TypedDict; in the Namespace.
constexpr std::size_t kShared = 800;
constexpr std::size_t kOwn = 24;
constexpr std::size_t kTyped = 40;
constexpr std::size_t kNamed = 12;
constexpr std::size_t kDictKeys = kShared + kOwn;
constexpr std::size_t kAll = kDictKeys + kTyped + kNamed;

using Known = Ledger<kAll, kOwn>;
using Change = Known::Change;

class Keys : public ContainerPart {
 public:
  explicit Keys(const Client& client)
      : client_(client),
        shared_(made(client.create<Dict>())),
        typed_(made(client.create<TypedDict<std::uint64_t, OwnedRecord>>())),
        named_(made(client.create<Namespace>())) {
    for (Dict& own : own_) own = made(client.create<Dict>());
  }

  void begin(Worker& worker) override {
    if (std::string wrong = resolve(worker.seat()); !wrong.empty()) worker.fail(wrong);
  }

  void step(Worker& worker) override {
    const std::size_t key = worker.below(2) == 0 ? worker.below(kAll) : worker.below(kDictKeys);
    switch (worker.below(16)) {
      case 0:
      case 1:
      case 2:
        return read(worker, worker.below(kContainerSeats), key);
      case 3:
        return change_several(worker);
      case 4:
        return worker.below(40) == 0 ? list_all(worker) : change_several(worker);
      case 5:
        if (worker.below(8) == 0) return clear(worker);
        if (worker.below(4) == 0) return pop_last(worker);
        [[fallthrough]];
      default:
        return change_one(worker, key);
    }
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    for (std::size_t seat = 0; seat < kContainerSeats; ++seat) {
      if (std::string wrong = resolve(seat); !wrong.empty()) return wrong;
      for (std::size_t key = 0; key < kAll; ++key) {
        const Found found = find(seat, key);
        if (!found.wrong.empty()) return found.wrong;
        if (found.code != known(seat).known(key)) return unlike(seat, key, found.code);
      }
    }
    if (std::string wrong = failed(named_.verify(), "Namespace"); !wrong.empty()) return wrong;
    const auto names = named_.names();
    if (!names.ok()) return failed(names, "Namespace");
    for (const std::string& name : *names) {
      if (std::string wrong = failed(named_.erase(name), name); !wrong.empty()) return wrong;
    }
    for (const Dict& own : own_) {
      if (std::string wrong = sound_and_free(own, "own Dict"); !wrong.empty()) return wrong;
    }
    if (std::string wrong = sound_and_free(typed_, "TypedDict"); !wrong.empty()) return wrong;
    return sound_and_free(shared_, "shared Dict");
  }

 private:
  // ---- where a key is, and what is there ----

  struct Found {
    std::uint64_t code = 0;
    std::string wrong;
  };

  [[nodiscard]] Known& known(std::size_t seat) const { return (*known_)[seat]; }
  [[nodiscard]] const Dict& dict(std::size_t seat, std::size_t key) const {
    return key < kShared ? shared_ : own_[seat];
  }
  static std::string name_of(std::size_t seat, std::size_t key) {
    return std::to_string(seat) + '/' + std::to_string(key);
  }
  static std::uint64_t number_of(std::size_t seat, std::size_t key) { return seat << 32 | key; }

  template <class T>
  static Found found(std::size_t seat, std::size_t key, const absl::StatusOr<T>& value) {
    if (absl::IsNotFound(value.status())) return {};
    if (!value.ok()) return {.wrong = failed(value, "reading " + name_of(seat, key))};
    const std::optional<std::uint64_t> code = code_in(seat, key, *value);
    if (code) return {.code = *code, .wrong = {}};
    return {.wrong = "a value that nobody has put, under " + name_of(seat, key)};
  }
  [[nodiscard]] Found find(std::size_t seat, std::size_t key) const {
    if (key < kDictKeys) return found(seat, key, dict(seat, key).get(name_of(seat, key)));
    if (key < kDictKeys + kTyped) return found(seat, key, typed_.get(number_of(seat, key)));
    return found(seat, key, named_.get(name_of(seat, key)));
  }
  [[nodiscard]] std::string unlike(std::size_t seat, std::size_t key, std::uint64_t code) const {
    return "key " + name_of(seat, key) + " has value " + std::to_string(code) + ", not " +
           std::to_string(known(seat).known(key));
  }

  std::string resolve(std::size_t seat) const {
    std::string unreadable;
    std::string wrong = known(seat).resolve([&](std::size_t key) {
      const Found found = find(seat, key);
      if (!found.wrong.empty()) unreadable = found.wrong;
      return found.code;
    });
    if (!unreadable.empty()) return unreadable;
    return wrong.empty() ? wrong : "seat " + std::to_string(seat) + ": " + wrong;
  }

  // ---- reading ----

  void read(Worker& worker, std::size_t seat, std::size_t key) const {
    const Found found = worker.in(Op::kDictRead, [&] { return find(seat, key); });
    if (!found.wrong.empty()) worker.fail(found.wrong);
    if (seat != worker.seat()) return;
    if (found.code != known(seat).known(key)) worker.fail(unlike(seat, key, found.code));
    if (key >= kDictKeys || worker.below(4) != 0) return;
    // Nobody else changes it, so nothing comes.
    std::optional<Value> seen;
    if (found.code != 0) seen = value_of(seat, key, found.code);
    const absl::Status watched = worker.in(Op::kDictRead, [&] {
      return dict(seat, key).watch(name_of(seat, key), seen, absl::ZeroDuration());
    });
    if (!absl::IsDeadlineExceeded(watched)) worker.fail("watch: " + watched.ToString());
  }

  // Of the shared dict; of this worker's keys exactly those that are there.
  void list_all(Worker& worker) const {
    const auto items = worker.in(Op::kDictItems, [&] { return shared_.items(); });
    worker.need(items, "items");
    std::size_t mine = 0;
    for (const DictEntry& entry : *items) {
      const std::string* const name = entry.key.as_string();
      if (name == nullptr) worker.fail("a key that nobody has put");
      char* end = nullptr;
      const std::size_t seat = std::strtoull(name->c_str(), &end, 10);
      const std::size_t key = std::strtoull(end + 1, nullptr, 10);
      const std::optional<std::uint64_t> code = code_in(seat, key, entry.value);
      if (!code) worker.fail("items: a value that nobody has put, under " + *name);
      if (seat != worker.seat()) continue;
      ++mine;
      if (*code != known(seat).known(key)) worker.fail("items: " + unlike(seat, key, *code));
    }
    for (std::size_t key = 0; key < kShared; ++key) {
      if (known(worker.seat()).known(key) != 0 && mine-- == 0) worker.fail("items: one is missing");
    }
    if (mine != 0) worker.fail("items: a key twice, or one that was erased");
  }

  // ---- changing: `call` gives a status, which must be OK ----

  template <class Call>
  void do_it(Worker& worker, Op op, const std::vector<Change>& changes, Call call) const {
    Known& mine = known(worker.seat());
    mine.begin(changes);
    const absl::Status status = worker.in(op, call);
    if (!status.ok()) {
      worker.fail(std::string(kOpNames[static_cast<std::size_t>(op)]) + " of " +
                  name_of(worker.seat(), changes[0].key) + ": " + status.ToString());
    }
    mine.settle();
  }

  // By turns there come more and more, and go more and more.
  static bool takes_away(Worker& worker) {
    const bool shrinks = worker.mine().steps.load() / 600 % 2 == worker.seat() % 2;
    return worker.below(10) < (shrinks ? 7 : 2);
  }

  // By one of the calls that put.
  static absl::Status put_somehow(Worker& worker, const Dict& here, std::size_t key,
                                  std::uint64_t code) {
    const std::string name = name_of(worker.seat(), key);
    const Value value = value_of(worker.seat(), key, code);
    const std::string* const text = value.as_string();
    if (text == nullptr || worker.below(2) == 0) return here.put(name, value);
    return here.put_text(name, *text);
  }

  void change_one(Worker& worker, std::size_t key) const {
    if (key >= kDictKeys + kTyped) return change_name(worker, key);
    if (key >= kDictKeys) return change_typed(worker, key);
    const Dict& here = dict(worker.seat(), key);
    if (takes_away(worker)) return take_away(worker, key, here);
    switch (worker.below(4)) {
      case 0:
        return swap(worker, key, here);
      case 1:
        return is_number(key) ? add(worker, key, here) : get_or_insert(worker, key, here);
      case 2:
        return get_or_insert(worker, key, here);
      default: {
        const std::uint64_t code = known(worker.seat()).fresh_code();
        do_it(worker, Op::kDictPut, {change(key, code)},
              [&] { return put_somehow(worker, here, key, code); });
      }
    }
  }

  static Change change(std::size_t key, std::uint64_t code) {
    return {.key = static_cast<std::uint32_t>(key), .code = code};
  }
  // Of a call that must fail so where there is nothing.
  static absl::Status as_known(const absl::Status& status, bool is_there) {
    if (is_there || !absl::IsNotFound(status)) {
      return is_there || !status.ok() ? status : absl::InternalError("it was not there");
    }
    return absl::OkStatus();
  }

  void take_away(Worker& worker, std::size_t key, const Dict& here) const {
    const std::uint64_t before = known(worker.seat()).known(key);
    const std::string name = name_of(worker.seat(), key);
    if (worker.below(2) == 0) {
      return do_it(worker, Op::kDictErase, {change(key, 0)},
                   [&] { return as_known(here.erase(name), before != 0); });
    }
    do_it(worker, Op::kDictPop, {change(key, 0)}, [&]() -> absl::Status {
      const absl::StatusOr<Value> value = here.pop(name);
      if (!value.ok()) return as_known(value.status(), before != 0);
      if (code_in(worker.seat(), key, *value) == before) return absl::OkStatus();
      return absl::InternalError("pop gave another value");
    });
  }

  void get_or_insert(Worker& worker, std::size_t key, const Dict& here) const {
    const std::uint64_t before = known(worker.seat()).known(key);
    const std::uint64_t fresh = known(worker.seat()).fresh_code();
    const std::uint64_t after = before != 0 ? before : fresh;
    do_it(worker, Op::kDictGetOrInsert, {change(key, after)}, [&]() -> absl::Status {
      const absl::StatusOr<Value> value =
          here.get_or_insert(name_of(worker.seat(), key), value_of(worker.seat(), key, fresh));
      if (!value.ok()) return value.status();
      if (code_in(worker.seat(), key, *value) == after) return absl::OkStatus();
      return absl::InternalError("it gave another value");
    });
  }

  void add(Worker& worker, std::size_t key, const Dict& here) const {
    const std::uint64_t before = known(worker.seat()).known(key);
    const std::uint64_t by = 1 + worker.below(1000);
    do_it(worker, Op::kDictIncrement, {change(key, before + by)}, [&]() -> absl::Status {
      const absl::StatusOr<std::int64_t> sum =
          here.increment(name_of(worker.seat(), key), static_cast<std::int64_t>(by));
      if (!sum.ok()) return sum.status();
      if (*sum == static_cast<std::int64_t>(before + by)) return absl::OkStatus();
      return absl::InternalError("another sum");
    });
  }

  // Of the right value, or of a wrong one.
  void swap(Worker& worker, std::size_t key, const Dict& here) const {
    Known& mine = known(worker.seat());
    const std::uint64_t before = mine.known(key);
    const auto value = [&](std::uint64_t code) {
      return code == 0 ? std::nullopt : std::optional<Value>(value_of(worker.seat(), key, code));
    };
    const std::uint64_t after = worker.below(4) == 0 ? 0 : mine.fresh_code();
    const bool right = worker.below(4) != 0;
    const std::uint64_t expected = right ? before : before + 1;
    do_it(worker, Op::kDictSwap, {change(key, right ? after : before)}, [&] {
      absl::Status status =
          here.compare_and_swap(name_of(worker.seat(), key), value(expected), value(after));
      if (right) return status;
      return absl::IsAborted(status) ? absl::OkStatus() : absl::InternalError("a wrong value");
    });
  }

  void change_typed(Worker& worker, std::size_t key) const {
    Known& mine = known(worker.seat());
    const std::uint64_t before = mine.known(key);
    const std::uint64_t number = number_of(worker.seat(), key);
    if (takes_away(worker)) {
      const bool pops = worker.below(2) == 0;
      return do_it(worker, Op::kTypedDict, {change(key, 0)}, [&] {
        return as_known(pops ? typed_.pop(number).status() : typed_.erase(number), before != 0);
      });
    }
    const std::uint64_t code = mine.fresh_code();
    const OwnedRecord record = record_of(worker.seat(), key, code);
    if (worker.below(4) == 0) {
      return do_it(worker, Op::kTypedDict, {change(key, before != 0 ? before : code)},
                   [&] { return typed_.get_or_insert(number, record).status(); });
    }
    do_it(worker, Op::kTypedDict, {change(key, code)}, [&] {
      if (worker.below(2) == 0) return typed_.put(number, record);
      std::optional<OwnedRecord> expected;
      if (before != 0) expected = record_of(worker.seat(), key, before);
      return typed_.compare_and_swap(number, expected, record);
    });
  }

  void change_name(Worker& worker, std::size_t key) const {
    Known& mine = known(worker.seat());
    const bool is_there = mine.known(key) != 0;
    const std::string name = name_of(worker.seat(), key);
    if (takes_away(worker)) {
      return do_it(worker, Op::kNamespace, {change(key, 0)},
                   [&] { return as_known(named_.erase(name), is_there); });
    }
    const std::uint64_t code = mine.fresh_code();
    do_it(worker, Op::kNamespace, {change(key, code)},
          [&] { return named_.set(name, value_of(worker.seat(), key, code)); });
  }

  // ---- several at once ----

  // What its owner inserted last, and nobody else changes.
  void pop_last(Worker& worker) const {
    const Dict& own = own_[worker.seat()];
    const auto keys = own.keys();
    worker.need(keys, "keys");
    if (keys->empty()) return;
    const std::string* const name = keys->back().as_string();
    if (name == nullptr) worker.fail("a key that nobody has put");
    const std::size_t key = std::strtoull(name->c_str() + name->find('/') + 1, nullptr, 10);
    const std::uint64_t before = known(worker.seat()).known(key);
    do_it(worker, Op::kDictPop, {change(key, 0)}, [&]() -> absl::Status {
      const absl::StatusOr<DictEntry> entry = own.pop_item();
      if (!entry.ok()) return entry.status();
      const bool right =
          entry->key == keys->back() && code_in(worker.seat(), key, entry->value) == before;
      return right ? absl::OkStatus() : absl::InternalError("pop_item gave another entry");
    });
  }

  void clear(Worker& worker) const {
    std::vector<Change> changes;
    for (std::size_t key = kShared; key < kDictKeys; ++key) changes.push_back(change(key, 0));
    do_it(worker, Op::kDictClear, changes, [&] { return own_[worker.seat()].clear(); });
  }

  // By a transaction, of both dicts, or by update() of the shared one.
  void change_several(Worker& worker) const {
    Known& mine = known(worker.seat());
    const bool transacts = worker.below(2) == 0;
    std::vector<Change> changes;
    for (std::uint64_t i = 0; i <= worker.below(8); ++i) {
      const std::size_t key = worker.below(transacts && worker.below(2) == 0 ? kDictKeys : kShared);
      const bool erase = transacts && mine.known(key) != 0 && takes_away(worker);
      const bool again = std::any_of(changes.begin(), changes.end(),
                                     [&](const Change& other) { return other.key == key; });
      if (!again) changes.push_back(change(key, erase ? 0 : mine.fresh_code()));
    }
    if (!transacts) {
      std::vector<DictEntry> entries;
      entries.reserve(changes.size());
      for (const auto& [key, code] : changes) {
        entries.push_back({name_of(worker.seat(), key), value_of(worker.seat(), key, code)});
      }
      return do_it(worker, Op::kDictUpdate, changes, [&] { return shared_.update(entries); });
    }
    do_it(worker, Op::kTransact, changes, [&] {
      return client_.transact([&](Transaction& t) {
        for (const auto& [key, code] : changes) {
          const Dict& here = dict(worker.seat(), key);
          const std::string name = name_of(worker.seat(), key);
          absl::Status status = code == 0 ? t.erase(here, name)
                                          : t.put(here, name, value_of(worker.seat(), key, code));
          if (!status.ok()) return status;
        }
        return absl::OkStatus();
      });
    });
  }

  Client client_;
  Dict shared_;
  std::array<Dict, kContainerSeats> own_;
  TypedDict<std::uint64_t, OwnedRecord> typed_;
  Namespace named_;
  Outside<std::array<Known, kContainerSeats>> known_;
};

}  // namespace

std::unique_ptr<ContainerPart> make_keys(const Client& client) {
  return std::make_unique<Keys>(client);
}

}  // namespace shoal::torture
