// Transactions of two dicts, a list and a cell. After each death all of them hold what they held
// before it or all what they hold after it, they are sound, and the same transaction can be made.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <shoal/cell.h>
#include <shoal/reference.h>
#include <shoal/transaction.h>

#include "tests/crash/public/container_operations.h"

namespace shoal::test {

using WideCell = Cell<std::array<std::int64_t, 4>>;

// The object that is swept is a dict; the others are found by the references in it.
struct Transacted {
  Dict one;
  Dict other;
  List list;
  WideCell cell;

  static Transacted created(const Client& client) {
    return {client.create<Dict>().value(), client.create<Dict>().value(),
            client.create<List>().value(), client.create<WideCell>().value()};
  }
  static Transacted opened(const Client& client, const std::string& object) {
    const Dict one = client.open<Dict>(object).value();
    return {one, client.open<Dict>(one.get("other").value()).value(),
            client.open<List>(one.get("list").value()).value(),
            client.open<WideCell>(one.get("cell").value()).value()};
  }

  void fill_all() const {
    fill(one);
    fill(other);
    fill(list);
    (void)cell.store({1, 2, 3, 4});
    (void)one.put("other", reference_to(other));
    (void)one.put("list", reference_to(list));
    (void)one.put("cell", reference_to(cell));
  }
  [[nodiscard]] std::string containers() const {
    return contents(one) + contents(other) + contents(list);
  }
  // The cell shows it some moments later, if it is not read under its lock.
  [[nodiscard]] std::string all() const {
    const absl::StatusOr<Acquired> acquired = cell.lock().acquire(kPatience);
    if (!acquired.ok()) return "the cell's lock: " + text_of(acquired.status());
    if (acquired->abandoned) (void)cell.lock().mark_consistent();
    std::string text = containers();
    const auto numbers = cell.load().value();
    for (const std::int64_t number : numbers) text += " " + std::to_string(number);
    (void)cell.lock().release();
    return text;
  }
  [[nodiscard]] std::string damage() const {
    return text_of(one.verify().status()) + text_of(other.verify().status()) +
           text_of(list.verify().status());
  }
};

using TransactionBody = std::function<absl::Status(Transaction&, const Transacted&)>;

class TransactionRound final : public Round {
 public:
  TransactionRound(const Case<Dict>& made, const Client& client, const std::string& object,
                   TransactionBody body)
      : client_(client),
        body_(std::move(body)),
        round_(made, client, object),
        objects_(Transacted::created(client)) {
    objects_.one = client.open<Dict>(object).value();
    objects_.fill_all();
  }
  [[nodiscard]] std::uint64_t id() const override { return round_.id(); }
  std::string begin(std::span<const std::byte> arena) override { return round_.begin(arena); }
  bool unblock() override { return round_.unblock(); }

  std::string go_on(const AtDeath&) override {
    const std::string at_once = objects_.containers();
    const std::string now = objects_.all();
    // Nobody sees half of it, even before the manager has seen the death.
    if (now.compare(0, at_once.size(), at_once) != 0) return "recovery has changed what was seen";
    if (std::string wrong = sound_once_recovered([&] { return objects_.damage(); });
        !wrong.empty()) {
      return wrong;
    }
    objects_.fill_all();
    const std::string before = objects_.all();
    const absl::Status again = client_.transact([&](Transaction& t) { return body_(t, objects_); });
    if (!again.ok()) return "a later one: " + text_of(again);
    const std::string after = objects_.all();
    if (before == after) return "a later one changes nothing";
    if (now != before && now != after)
      return "they hold neither what they held nor what they should";
    return objects_.damage();
  }

 private:
  Client client_;
  TransactionBody body_;
  RoundOf<Dict> round_;
  Transacted objects_;
};

inline void add_transaction_operations(std::vector<PublicOperation>& all) {
  static const Case<Dict> kPlain;
  const auto add = [&](const std::string& what, std::vector<std::string> methods,
                       TransactionBody body) {
    PublicOperation operation;
    operation.name = "Transaction, " + what;
    for (const std::string& method : methods) operation.methods.push_back("Transaction::" + method);
    operation.twice = what == "sums";
    operation.round = [body](const Client& client, const std::string& object) {
      return std::make_unique<TransactionRound>(kPlain, client, object, body);
    };
    operation.victim = [body](const Client& client, const std::string& object) -> Traced::Body {
      const Transacted objects = Transacted::opened(client, object);
      // Its first calls are behind it.
      const Transacted warm = Transacted::created(client);
      warm.fill_all();
      (void)client.transact([&](Transaction& t) { return body(t, warm); });
      return [client, objects, body] {
        (void)client.transact([&](Transaction& t) { return body(t, objects); });
        return 0;
      };
    };
    all.push_back(std::move(operation));
  };
  add("sums", {"increment"}, [](Transaction& t, const Transacted& in) {
    const absl::StatusOr<std::int64_t> less = t.increment(in.one, "a", -3);
    if (!less.ok()) return less.status();
    return t.increment(in.other, "a", 3).status();
  });
  add("new keys and large values", {"put"}, [](Transaction& t, const Transacted& in) {
    if (absl::Status s = t.put(in.one, "n", 5); !s.ok()) return s;
    if (absl::Status s = t.put(in.one, "c", std::string(3001, 'd')); !s.ok()) return s;
    return t.put(in.other, "b", "another text");
  });
  add("erases", {"erase"}, [](Transaction& t, const Transacted& in) {
    if (absl::Status s = t.erase(in.one, "c"); !s.ok()) return s;
    return t.erase(in.other, "b");
  });
  add("a list and a cell", {"set", "append", "store"}, [](Transaction& t, const Transacted& in) {
    if (absl::Status s = t.set(in.list, 0, "another text"); !s.ok()) return s;
    if (absl::Status s = t.append(in.list, std::string(3001, 'd')); !s.ok()) return s;
    if (absl::Status s = t.store(in.cell, {5, 6, 7, 8}); !s.ok()) return s;
    return t.put(in.one, "a", 2);
  });
}

}  // namespace shoal::test
