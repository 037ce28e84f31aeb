// What the torture knows of its workers: memory of its own, shared by all of them and independent
// of shoal, so that a fault of shoal cannot hide itself.
//
// Each worker sits in a seat; when it is killed a new one takes the seat, with the next number
// (its incarnation). Who is about to be killed is noted as doomed first: marks that a doomed worker
// has left somewhere count for nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::torture {

inline constexpr std::size_t kSeatsMax = 8;

// What a worker is in the middle of.
enum class Op : std::uint32_t {
  kNone,  // between two calls, or starting
  kLockAcquire,
  kLockRelease,
  kLockMark,
  kRLockAcquire,
  kRLockRelease,
  kSharedLockWrite,
  kSharedLockRead,
  kSharedLockRelease,
  kOwnedAcquire,
  kOwnedRelease,
  kPlainAcquire,
  kPlainRelease,
  kConditionWait,
  kConditionNotify,
  kEventSet,
  kEventClear,
  kEventWait,
  kBarrierWait,
  kBarrierReset,
  kCellStore,
  kCellLoad,
  kCellAdd,
  kCellWait,
  kCellNotify,
  kObjectLock,
  kDictPut,
  kDictErase,
  kDictPop,
  kDictSwap,
  kDictIncrement,
  kDictGetOrInsert,
  kDictUpdate,
  kDictClear,
  kDictRead,
  kDictItems,
  kTransact,
  kReadTransaction,
  kTypedDict,
  kNamespace,
  kListAppend,
  kListSet,
  kListInsert,
  kListPop,
  kListExtend,
  kListAssign,
  kListErase,
  kListSort,
  kListReverse,
  kListClear,
  kListRead,
  kNestCreate,
  kNestPut,
  kNestOpen,
  kCount,
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Op::kCount)> kOpNames = {
    "none",
    "Lock.acquire",
    "Lock.release",
    "Lock.mark_consistent",
    "RLock.acquire",
    "RLock.release",
    "SharedLock.acquire",
    "SharedLock.acquire_shared",
    "SharedLock.release",
    "Semaphore.acquire",
    "Semaphore.release",
    "Semaphore.acquire(plain)",
    "Semaphore.release(plain)",
    "Condition.wait",
    "Condition.notify",
    "Event.set",
    "Event.clear",
    "Event.wait",
    "Barrier.wait",
    "Barrier.reset",
    "Cell.store",
    "Cell.load",
    "Cell.fetch_add",
    "Cell.wait",
    "Cell.notify",
    "Array.lock",
    "Dict.put",
    "Dict.erase",
    "Dict.pop",
    "Dict.compare_and_swap",
    "Dict.increment",
    "Dict.get_or_insert",
    "Dict.update",
    "Dict.clear",
    "Dict.get",
    "Dict.items",
    "Client.transact",
    "Client.read_transaction",
    "TypedDict",
    "Namespace",
    "List.append",
    "List.set",
    "List.insert",
    "List.pop",
    "List.extend",
    "List.assign",
    "List.erase_slice",
    "List.sort",
    "List.reverse",
    "List.clear",
    "List.items",
    "Client.create(nested)",
    "put(reference)",
    "Client.open(reference)",
};

// A worker in shared marks: {incarnation 56 | seat + 1}; 0: nobody.
using Mark = std::uint64_t;

struct Seat {
  std::atomic<std::uint64_t> incarnation;
  std::atomic<std::uint64_t> doomed;  // this incarnation and all before it
  std::atomic<Op> op;
  std::atomic<std::uint64_t> steps;  // completed
  // Completed calls that change a count for good, one counter for each such object.
  std::array<std::atomic<std::uint64_t>, 4> done;
};

struct Board {
  std::array<Seat, kSeatsMax> seats;
  std::atomic<bool> violated;
  std::array<char, 512> violation;

  // In memory that forked children share.
  static Board* make();
  void clear();

  // What should never happen. The first one counts.
  void report(std::string_view what);

  [[nodiscard]] bool is_doomed(Mark mark) const {
    const std::size_t seat = (mark & 0xff) - 1;
    return seat < kSeatsMax && mark >> 8 <= seats[seat].doomed.load();
  }
};

// A worker, as it sees itself.
class Worker {
 public:
  Worker(Board& board, std::size_t seat, std::uint64_t seed)
      : board_(board),
        seat_(seat),
        mark_(board.seats[seat].incarnation.load() << 8 | (seat + 1)),
        random_(seed ^ mark_ * 0x9e3779b97f4a7c15U) {}

  [[nodiscard]] Board& board() const { return board_; }
  [[nodiscard]] Seat& mine() const { return board_.seats[seat_]; }
  [[nodiscard]] std::size_t seat() const { return seat_; }
  [[nodiscard]] Mark mark() const { return mark_; }

  // splitmix64
  std::uint64_t random() {
    std::uint64_t z = random_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return random() % limit; }

  // Makes a call, with a note of it.
  template <class Call>
  auto in(Op op, Call call) const {
    mine().op.store(op);
    auto result = call();
    mine().op.store(Op::kNone);
    return result;
  }
  // The same for one that changes a count: `counter` is added to before the note goes.
  template <class Call>
  bool counted(Op op, std::size_t counter, Call call) const {
    mine().op.store(op);
    const bool done = call();
    if (done) mine().done[counter].fetch_add(1);
    mine().op.store(Op::kNone);
    return done;
  }

  void step() const { mine().steps.fetch_add(1); }
  void dwell();  // does nothing for a random moment

  // Reports what should not be and ends the process.
  [[noreturn]] void fail(const std::string& what) const;
  template <class Status>
  void need(const Status& status, std::string_view what) const {
    if (!status.ok()) fail(std::string(what) + ": " + text_of(status));
  }

 private:
  template <class Status>
  static std::string text_of(const Status& status) {
    if constexpr (requires { status.status(); }) {
      return status.status().ToString();
    } else {
      return status.ToString();
    }
  }

  Board& board_;
  std::size_t seat_;
  Mark mark_;
  std::uint64_t random_;
};

}  // namespace shoal::torture
