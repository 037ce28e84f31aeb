// A bit of everything: four workers call whatever chance says, most of it without a deadline, since
// whoever holds something gives it back or dies. Each kind has its own witness of what must hold.
#include <atomic>
#include <string>
#include <vector>

#include "tests/torture/guarded.h"
#include "tests/torture/scenario.h"

namespace shoal::torture {

// Of no atomic size: all of it says the same, or it is torn.
struct Record {
  std::array<std::uint64_t, 9> words = {};
};
SHOAL_TYPE(Record, "shoal.torture.record", 1);

namespace {

constexpr std::uint32_t kPermits = 2;
constexpr std::size_t kSeats = 4;
constexpr absl::Duration kBrief = absl::Microseconds(300);

// Counters of what was done for good (Seat::done).
enum Counter : std::size_t { kReceived, kSent, kAdded };

class Mixture : public Scenario {
 public:
  explicit Mixture(const Client& client)
      : lock_(made(client.create<Lock>())),
        anyones_(made(client.create<Lock>({.release_by = ReleaseBy::kAnyone}))),
        rlock_(made(client.create<RLock>())),
        shared_(made(client.create<SharedLock>({.readers = 3}))),
        owned_(made(client.create<Semaphore>({.permits = kPermits}))),
        signals_(made(client.create<Semaphore>({.permits = 0, .ownership = Permits::kPlain}))),
        event_(made(client.create<Event>())),
        sum_(made(client.create<Cell<std::uint64_t>>())),
        record_(made(client.create<Cell<Record>>())),
        words_(made(client.create<Array<std::uint64_t>>({.size = kWords}))) {}

  [[nodiscard]] std::string_view name() const override { return "mixture"; }
  [[nodiscard]] std::size_t seats() const override { return kSeats; }
  [[nodiscard]] bool live_alone(const std::vector<bool>&) const override { return true; }

  void step(Worker& worker) override {
    switch (worker.below(10)) {
      case 0:
        guarded(worker, lock_, 0, Op::kLockAcquire, Op::kLockRelease, "Lock");
        break;
      case 1:
        guarded(worker, anyones_, 1, Op::kLockAcquire, Op::kLockRelease, "Lock of anyone");
        break;
      case 2:
        recursive(worker);
        break;
      case 3:
        guarded(worker, words_.lock(), 3, Op::kObjectLock, Op::kObjectLock, "Array's lock");
        break;
      case 4:
        guarded(worker, shared_, kSharedAt, Op::kSharedLockWrite, Op::kSharedLockRelease,
                "SharedLock");
        break;
      case 5:
        read(worker);
        break;
      case 6:
        use_permit(worker);
        break;
      case 7:
        signal(worker);
        break;
      case 8:
        change_cells(worker);
        break;
      default:
        use_event(worker);
    }
    worker.step();
  }

  std::string final_state(const Board& board,
                          const std::vector<std::uint64_t>& killed_in) override {
    if (std::string wrong = free_again(lock_, "Lock"); !wrong.empty()) return wrong;
    if (std::string wrong = free_again(anyones_, "Lock of anyone"); !wrong.empty()) return wrong;
    if (std::string wrong = free_again(rlock_, "RLock"); !wrong.empty()) return wrong;
    if (std::string wrong = free_again(words_.lock(), "Array's lock"); !wrong.empty()) return wrong;
    if (std::string wrong = free_again(shared_, "SharedLock"); !wrong.empty()) return wrong;
    if (shared_.readers() != 0) return "the dead still read";
    if (*owned_.value() != kPermits) {
      return "permits: " + std::to_string(*owned_.value()) + " of " + std::to_string(kPermits);
    }
    if (!whole(*record_.load())) return "a torn record";
    if (std::string wrong = counted(board, killed_in, *signals_.value(), kSent, Op::kPlainRelease,
                                    kReceived, Op::kPlainAcquire, "signals");
        !wrong.empty()) {
      return wrong;
    }
    return counted(board, killed_in, *sum_.load(), kAdded, Op::kCellAdd, kAdded, Op::kCount, "sum");
  }

 private:
  // The array: a Guarded for each lock, who reads, and places for who has a permit.
  static constexpr std::size_t kSharedAt = 4;
  static constexpr std::size_t kReadersAt = 5 * Guarded::kWords;
  static constexpr std::size_t kPlacesAt = kReadersAt + kSeats;
  static constexpr std::size_t kWords = kPlacesAt + kPermits;

  [[nodiscard]] std::atomic_ref<std::uint64_t> word(std::size_t at) const {
    return std::atomic_ref(words_.data()[at]);
  }
  [[nodiscard]] Guarded behind(std::size_t which) const {
    return Guarded(words_.data().subspan(which * Guarded::kWords, Guarded::kWords));
  }

  // Sometimes with a deadline. False: it was over.
  template <class Call>
  static bool acquire(Worker& worker, Op op, std::string_view what, Acquired* acquired, Call call) {
    const absl::Duration timeout =
        worker.below(4) == 0 ? kBrief * worker.below(3) : absl::InfiniteDuration();
    const absl::StatusOr<Acquired> result = worker.in(op, [&] { return call(timeout); });
    if (absl::IsDeadlineExceeded(result.status()) && timeout != absl::InfiniteDuration()) {
      return false;
    }
    worker.need(result, what);
    *acquired = *result;
    return true;
  }

  // Any lock, for itself alone.
  template <class L>
  void guarded(Worker& worker, L& lock, std::size_t which, Op taking, Op giving,
               std::string_view what) const {
    Acquired acquired;
    if (!acquire(worker, taking, what, &acquired, [&](auto t) { return lock.acquire(t); })) return;
    be_inside(worker, lock, which, what, acquired);
    worker.need(worker.in(giving, [&] { return lock.release(); }), what);
  }

  template <class L>
  void be_inside(Worker& worker, L& lock, std::size_t which, std::string_view what,
                 const Acquired& acquired) const {
    const Guarded data = behind(which);
    if (which == kSharedAt) nobody_reads(worker);
    if (data.look(worker, what, acquired.abandoned)) {
      worker.need(worker.in(Op::kLockMark, [&] { return lock.mark_consistent(); }), what);
    }
    data.enter(worker, what, acquired.token);
    worker.dwell();
    if (!lock.locked()) worker.fail(std::string(what) + ": not locked, though held");
    if (which == kSharedAt) nobody_reads(worker);
    data.leave(worker, what);
  }

  void recursive(Worker& worker) const {
    Acquired first;
    const auto take = [&](auto t) { return rlock_.acquire(t); };
    if (!acquire(worker, Op::kRLockAcquire, "RLock", &first, take)) return;
    Acquired second;
    const bool twice = acquire(worker, Op::kRLockAcquire, "RLock", &second, take);
    if (!twice || second.token != first.token) worker.fail("RLock: not recursive");
    be_inside(worker, rlock_, 2, "RLock", first);
    for (int i = 2; i > 0; --i) {
      if (rlock_.depth() != static_cast<std::uint32_t>(i)) worker.fail("RLock: wrong depth");
      worker.need(worker.in(Op::kRLockRelease, [&] { return rlock_.release(); }), "RLock");
    }
  }

  // ---- readers ----

  void nobody_reads(const Worker& worker) const {
    for (std::size_t seat = 0; seat < kSeats; ++seat) {
      const Mark reader = word(kReadersAt + seat).load();
      if (reader != 0 && !worker.board().is_doomed(reader)) {
        worker.fail("SharedLock: seat " + std::to_string(seat) + " reads while another writes");
      }
    }
  }

  void read(Worker& worker) const {
    Acquired acquired;
    if (!acquire(worker, Op::kSharedLockRead, "SharedLock", &acquired,
                 [&](auto t) { return shared_.acquire_shared(t); })) {
      return;
    }
    const Guarded data = behind(kSharedAt);
    word(kReadersAt + worker.seat()).store(worker.mark());
    const std::uint64_t inside = data.inside();
    if (!acquired.abandoned && (inside != 0 || !data.is_whole())) {
      worker.fail("SharedLock: reads while another writes");
    }
    worker.dwell();
    if (data.inside() != inside) worker.fail("SharedLock: a writer came in while one read");
    word(kReadersAt + worker.seat()).store(0);
    worker.need(worker.in(Op::kSharedLockRelease, [&] { return shared_.release_shared(); }),
                "SharedLock");
  }

  // ---- semaphores ----

  // There are as many places as permits: who has a permit finds a place that is free, or that of a
  // dead one. Places change while they are looked at, so it looks many times.
  void use_permit(Worker& worker) const {
    Acquired unused;
    const auto take = [&](absl::Duration t) -> absl::StatusOr<Acquired> {
      if (absl::Status status = owned_.acquire(t); !status.ok()) return status;
      return Acquired{};
    };
    if (!acquire(worker, Op::kOwnedAcquire, "Semaphore", &unused, take)) return;
    std::size_t place = kPermits;
    for (int tries = 0; place == kPermits; ++tries) {
      if (tries == 20'000) worker.fail("Semaphore: more are in than there are permits");
      if (tries > 100) ::usleep(100);
      place = free_place(worker);
    }
    worker.dwell();
    Mark mine = worker.mark();
    if (!word(kPlacesAt + place).compare_exchange_strong(mine, 0)) {
      worker.fail("Semaphore: another took this one's place");
    }
    worker.need(worker.in(Op::kOwnedRelease, [&] { return owned_.release(); }), "Semaphore");
  }

  [[nodiscard]] std::size_t free_place(const Worker& worker) const {
    for (std::size_t place = 0; place < kPermits; ++place) {
      Mark there = word(kPlacesAt + place).load();
      if (there != 0 && !worker.board().is_doomed(there)) continue;
      if (word(kPlacesAt + place).compare_exchange_strong(there, worker.mark())) return place;
    }
    return kPermits;
  }

  void signal(Worker& worker) const {
    if (worker.below(2) == 0) {
      const bool sent =
          worker.counted(Op::kPlainRelease, kSent, [&] { return signals_.release().ok(); });
      if (!sent) worker.fail("Semaphore (plain): release failed");
      return;
    }
    absl::Status status;
    (void)worker.counted(Op::kPlainAcquire, kReceived, [&] {
      status = signals_.acquire(kBrief * worker.below(3));
      return status.ok();
    });
    if (!absl::IsDeadlineExceeded(status)) worker.need(status, "Semaphore (plain)");
  }

  // ---- cells, event ----

  static bool whole(const Record& record) {
    for (const std::uint64_t word : record.words) {
      if (word != record.words[0]) return false;
    }
    return true;
  }

  void change_cells(Worker& worker) const {
    if (!worker.counted(Op::kCellAdd, kAdded, [&] { return sum_.fetch_add(1).ok(); })) {
      worker.fail("Cell: fetch_add failed");
    }
    const auto record = worker.in(Op::kCellLoad, [&] { return record_.load(); });
    worker.need(record, "Cell: load");
    if (!whole(*record)) worker.fail("Cell: a torn record");
    Record next;
    next.words.fill(worker.random());
    worker.need(worker.in(Op::kCellStore, [&] { return record_.store(next); }), "Cell: store");
    worker.need(worker.in(Op::kCellNotify, [&] { return record_.notify(); }), "Cell: notify");
    const absl::Status status =
        worker.in(Op::kCellWait, [&] { return record_.wait(next, kBrief * worker.below(3)); });
    if (!absl::IsDeadlineExceeded(status)) worker.need(status, "Cell: wait");
  }

  void use_event(Worker& worker) const {
    if (worker.below(2) == 0) {
      worker.need(worker.in(Op::kEventSet, [&] { return event_.set(); }), "Event");
      worker.need(worker.in(Op::kEventClear, [&] { return event_.clear(); }), "Event");
      return;
    }
    const absl::Status status =
        worker.in(Op::kEventWait, [&] { return event_.wait(kBrief * worker.below(3)); });
    if (!absl::IsDeadlineExceeded(status)) worker.need(status, "Event");
  }

  // ---- when all are dead ----

  template <class L>
  static std::string free_again(const L& lock, const char* what) {
    const auto acquired = lock.acquire(kPatience);
    if (!acquired.ok())
      return std::string(what) + ": the dead keep it: " + acquired.status().ToString();
    return lock.release().ok() ? "" : std::string(what) + ": cannot be released";
  }

  // `value` is what was put in less what was taken out. A worker killed in the middle of a call may
  // have done it or not, so there is a range; with Op::kCount nothing is taken out.
  static std::string counted(const Board& board, const std::vector<std::uint64_t>& killed_in,
                             std::uint64_t value, std::size_t in, Op putting, std::size_t out,
                             Op taking, const char* what) {
    const bool takes = taking != Op::kCount;
    std::uint64_t put = 0;
    std::uint64_t taken = 0;
    for (const Seat& seat : board.seats) {
      put += seat.done[in].load();
      if (takes) taken += seat.done[out].load();
    }
    const std::uint64_t most = put + killed_in[static_cast<std::size_t>(putting)];
    const std::uint64_t maybe_taken = takes ? killed_in[static_cast<std::size_t>(taking)] : 0;
    if (value + taken <= most && value + taken + maybe_taken >= put) return {};
    return std::string(what) + ": " + std::to_string(value) + " left, " + std::to_string(put) +
           " put in, " + std::to_string(taken) + " taken out, at most " +
           std::to_string(most - put) + " and " + std::to_string(maybe_taken) + " more";
  }

  Lock lock_;
  Lock anyones_;
  RLock rlock_;
  SharedLock shared_;
  Semaphore owned_;
  Semaphore signals_;
  Event event_;
  Cell<std::uint64_t> sum_;
  Cell<Record> record_;
  Array<std::uint64_t> words_;
};

}  // namespace

std::unique_ptr<Scenario> make_mixture(const Client& client) {
  return std::make_unique<Mixture>(client);
}

}  // namespace shoal::torture
