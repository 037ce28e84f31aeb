// Money: transactions move it between the accounts of several dicts, and count themselves. Whoever
// is killed, none is lost and none is made, readers never see it on its way, and every transaction
// that was acknowledged has been counted.
#include <optional>

#include "tests/torture/containers.h"
#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

constexpr std::size_t kDicts = 3;
constexpr std::uint64_t kAccounts = 12;  // of each dict
constexpr std::int64_t kEach = 100;
constexpr std::int64_t kTotal = kEach * static_cast<std::int64_t>(kDicts * kAccounts);

class Accounts : public ContainerPart {
 public:
  explicit Accounts(const Client& client) : client_(client), counts_(made(client.create<Dict>())) {
    for (Dict& dict : dicts_) {
      dict = made(client.create<Dict>());
      for (std::uint64_t i = 0; i < kAccounts; ++i) (void)dict.put(key(i), kEach);
    }
  }

  void begin(Worker& worker) override {
    const std::int64_t counted = counts_.get_as<std::int64_t>(key(worker.seat())).value_or(0);
    if (std::string wrong = judge(worker.seat(), counted); !wrong.empty()) worker.fail(wrong);
    (*known_)[worker.seat()].acknowledged.store(counted);
    (*known_)[worker.seat()].begun.store(false);
  }

  void step(Worker& worker) override {
    if (worker.below(4) == 0) {
      std::int64_t sum = 0;
      worker.need(worker.in(Op::kReadTransaction, [&] { return add_up(sum); }), "accounts");
      if (sum != kTotal) worker.fail(wrong_sum(sum));
      return;
    }
    Known& mine = (*known_)[worker.seat()];
    const Move move{.from = worker.below(kDicts * kAccounts),
                    .to = worker.below(kDicts * kAccounts),
                    .amount = static_cast<std::int64_t>(1 + worker.below(kEach / 2))};
    mine.begun.store(true);
    const absl::Status status = worker.in(Op::kTransact, [&] { return make(move, worker.seat()); });
    if (status.ok()) {
      mine.acknowledged.fetch_add(1);
    } else if (!absl::IsFailedPrecondition(status)) {
      worker.need(status, "transact");
    }
    mine.begun.store(false);
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    std::int64_t sum = 0;
    if (std::string wrong = failed(add_up(sum), "accounts"); !wrong.empty()) return wrong;
    if (sum != kTotal) return wrong_sum(sum);
    for (std::size_t seat = 0; seat < kContainerSeats; ++seat) {
      const std::int64_t counted = counts_.get_as<std::int64_t>(key(seat)).value_or(0);
      if (std::string wrong = judge(seat, counted); !wrong.empty()) return wrong;
    }
    for (const Dict& dict : dicts_) {
      if (std::string wrong = sound_and_free(dict, "accounts"); !wrong.empty()) return wrong;
    }
    return sound_and_free(counts_, "counts");
  }

 private:
  struct Known {
    std::atomic<std::int64_t> acknowledged;
    std::atomic<bool> begun;
  };
  struct Move {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::int64_t amount = 0;
  };

  static std::int64_t key(std::uint64_t number) { return static_cast<std::int64_t>(number); }
  static std::string wrong_sum(std::int64_t sum) {
    return "accounts: " + std::to_string(sum) + " of " + std::to_string(kTotal);
  }

  // Of the seat's own count, which nobody else changes.
  [[nodiscard]] std::string judge(std::size_t seat, std::int64_t counted) const {
    const std::int64_t least = (*known_)[seat].acknowledged.load();
    const std::int64_t most = least + ((*known_)[seat].begun.load() ? 1 : 0);
    if (counted >= least && counted <= most) return {};
    return "accounts: seat " + std::to_string(seat) + " has made " + std::to_string(least) +
           " to " + std::to_string(most) + " transactions, and " + std::to_string(counted) +
           " are counted";
  }

  // An account that is empty is no more; one that gets something comes again.
  absl::Status make(const Move& move, std::size_t seat) const {
    return client_.transact([&](Transaction& t) -> absl::Status {
      const Dict& from = dicts_[move.from / kAccounts];
      const absl::StatusOr<std::int64_t> left =
          t.increment(from, key(move.from % kAccounts), -move.amount);
      if (!left.ok()) return left.status();
      if (*left < 0) return absl::FailedPreconditionError("there is not enough");
      if (*left == 0) {
        if (absl::Status s = t.erase(from, key(move.from % kAccounts)); !s.ok()) return s;
      }
      const absl::StatusOr<std::int64_t> more =
          t.increment(dicts_[move.to / kAccounts], key(move.to % kAccounts), move.amount);
      if (!more.ok()) return more.status();
      return t.increment(counts_, key(seat)).status();
    });
  }

  absl::Status add_up(std::int64_t& sum) const {
    return client_.read_transaction([&](ReadTransaction& t) -> absl::Status {
      sum = 0;
      for (const Dict& dict : dicts_) {
        for (std::uint64_t i = 0; i < kAccounts; ++i) {
          const absl::StatusOr<Value> amount = t.get(dict, key(i));
          if (absl::IsNotFound(amount.status())) continue;
          if (!amount.ok()) return amount.status();
          sum += *amount->as_int();
        }
      }
      return absl::OkStatus();
    });
  }

  Client client_;
  std::array<Dict, kDicts> dicts_;
  Dict counts_;
  Outside<std::array<Known, kContainerSeats>> known_;
};

}  // namespace

std::unique_ptr<ContainerPart> make_accounts(const Client& client) {
  return std::make_unique<Accounts>(client);
}

}  // namespace shoal::torture
