// A list of each worker, whose owner alone changes it and knows all that is in it, while the others
// read it; and one that all of them fill, empty, sort and turn over.
#include <algorithm>
#include <cstdlib>

#include "tests/torture/containers.h"
#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

constexpr std::size_t kMost = 2600;  // more than a leaf holds
constexpr std::uint64_t kPileMost = 400;

// Counters of what was done for good (Seat::done).
enum Counter : std::size_t { kAdded, kTaken };

using Numbers = std::vector<std::uint64_t>;

// In the order of their numbers; most fit into the list, some have a piece of the arena.
std::string text_of(std::uint64_t number) {
  std::string text = std::to_string(number);
  text.insert(0, 10 - text.size(), '0');
  const std::size_t filler = number % 97 == 5 ? 3000 : number % 7 == 3 ? 150 : number % 5;
  return text.append(filler, static_cast<char>('a' + number % 26));
}
std::vector<Value> values_of(const Numbers& numbers) {
  std::vector<Value> values;
  for (const std::uint64_t number : numbers) values.emplace_back(text_of(number));
  return values;
}
// False: one of them is none of a list's.
bool numbers_of(const std::vector<Value>& values, Numbers& numbers) {
  for (const Value& value : values) {
    const std::string* const text = value.as_string();
    if (text == nullptr) return false;
    numbers.push_back(std::strtoull(text->c_str(), nullptr, 10));
    if (*text != text_of(numbers.back())) return false;
  }
  return true;
}

// What the owner has been told is there, and what will be once its call has happened.
struct Known {
  struct Content {
    std::uint64_t size;
    std::array<std::uint64_t, kMost> numbers;
  };

  [[nodiscard]] Numbers content(std::uint32_t which) const {
    return {contents[which].numbers.begin(),
            contents[which].numbers.begin() + static_cast<std::ptrdiff_t>(contents[which].size)};
  }
  [[nodiscard]] Numbers now() const { return content(current.load()); }
  void begin(const Numbers& next) {
    Content& other = contents[1 - current.load()];
    other.size = next.size();
    std::copy(next.begin(), next.end(), other.numbers.begin());
    begun.store(true);
  }
  void settle() {
    current.store(1 - current.load());
    begun.store(false);
  }

  std::atomic<std::uint32_t> current;
  std::atomic<bool> begun;
  std::array<Content, 2> contents;
};

class Lists : public ContainerPart {
 public:
  explicit Lists(const Client& client) : pile_(made(client.create<List>())) {
    for (List& own : own_) own = made(client.create<List>());
  }

  void begin(Worker& worker) override {
    if (std::string wrong = resolve(worker.seat()); !wrong.empty()) worker.fail(wrong);
  }

  void step(Worker& worker) override {
    switch (worker.below(8)) {
      case 0:
      case 1:
      case 2:
        return use_pile(worker);
      case 3:
        return read(worker);
      default:
        return change(worker);
    }
  }

  std::string final_state(const Board& board,
                          const std::vector<std::uint64_t>& killed_in) override {
    for (std::size_t seat = 0; seat < kContainerSeats; ++seat) {
      if (std::string wrong = resolve(seat); !wrong.empty()) return wrong;
      if (std::string wrong = sound_and_free(own_[seat], "own List"); !wrong.empty()) return wrong;
    }
    if (std::string wrong = count_pile(board, killed_in); !wrong.empty()) return wrong;
    return sound_and_free(pile_, "List of all");
  }

 private:
  // ---- each one's own ----

  // The list is what it was before its owner's last call, or what it is after it.
  std::string resolve(std::size_t seat) const {
    Known& known = (*known_)[seat];
    const auto items = own_[seat].items();
    if (!items.ok()) return failed(items, "own List");
    Numbers numbers;
    const std::string whose = "the list of seat " + std::to_string(seat);
    if (!numbers_of(*items, numbers)) return whose + " has an element that nobody has put";
    if (known.begun.load() && numbers == known.content(1 - known.current.load())) {
      known.settle();
      return {};
    }
    known.begun.store(false);
    if (numbers == known.now()) return {};
    return whose + " has " + std::to_string(numbers.size()) + " elements, which are not the " +
           std::to_string(known.now().size()) + " that were acknowledged";
  }

  template <class Call>
  void do_it(Worker& worker, Op op, const Numbers& next, Call call) const {
    Known& known = (*known_)[worker.seat()];
    known.begin(next);
    const absl::Status status = worker.in(op, call);
    worker.need(status, kOpNames[static_cast<std::size_t>(op)]);
    known.settle();
  }

  void read(Worker& worker) const {
    const std::size_t seat = worker.below(kContainerSeats);
    const auto items = worker.in(Op::kListRead, [&] { return own_[seat].items(); });
    worker.need(items, "List.items");
    Numbers numbers;
    if (!numbers_of(*items, numbers)) worker.fail("a list has an element that nobody has put");
    if (seat == worker.seat() && numbers != (*known_)[seat].now()) {
      worker.fail("a list is not what its owner has made of it");
    }
  }

  static std::uint64_t draw(Worker& worker) { return worker.below(100'000); }
  static Numbers draw_several(Worker& worker, std::uint64_t most) {
    Numbers numbers(worker.below(most));
    for (std::uint64_t& number : numbers) number = draw(worker);
    return numbers;
  }
  static auto at(Numbers& numbers, std::uint64_t index) {
    return numbers.begin() + static_cast<std::ptrdiff_t>(index);
  }

  // One call on this worker's own list, as Python would do it to `next`.
  void change(Worker& worker) const {
    Numbers next = (*known_)[worker.seat()].now();
    const std::uint64_t number = draw(worker);
    if (next.size() > kMost - 300) return cut(worker, next);
    if (next.empty()) return extend(worker, next);
    const std::uint64_t index = worker.below(next.size());
    const auto signed_index = static_cast<std::ptrdiff_t>(index);
    const List& list = own_[worker.seat()];
    switch (worker.below(12)) {
      case 0:
      case 1:
        next.push_back(number);
        return do_it(worker, Op::kListAppend, next, [&] { return list.append(text_of(number)); });
      case 2:
      case 3:
        next[index] = number;
        return do_it(worker, Op::kListSet, next,
                     [&] { return list.set(signed_index, text_of(number)); });
      case 4:
        next.insert(at(next, index), number);
        return do_it(worker, Op::kListInsert, next,
                     [&] { return list.insert(signed_index, text_of(number)); });
      case 5:
      case 6:
        return pop(worker, next, worker.below(2) == 0 ? index : next.size() - 1);
      case 7:
        return extend(worker, next);
      case 8:
        return assign(worker, next);
      case 9:
        return worker.below(3) == 0 ? erase(worker, next, index) : cut(worker, next);
      case 10: {
        const bool down = worker.below(2) == 0;
        std::sort(next.begin(), next.end());
        if (down) std::reverse(next.begin(), next.end());
        return do_it(worker, Op::kListSort, next, [&] { return list.sort({.reverse = down}); });
      }
      default:
        if (worker.below(6) == 0)
          return do_it(worker, Op::kListClear, {}, [&] { return list.clear(); });
        std::reverse(next.begin(), next.end());
        return do_it(worker, Op::kListReverse, next, [&] { return list.reverse(); });
    }
  }

  // The first that equals it, as Python's remove does.
  void erase(Worker& worker, Numbers next, std::uint64_t index) const {
    const std::string there = text_of(next[index]);
    next.erase(std::find(next.begin(), next.end(), next[index]));
    do_it(worker, Op::kListErase, next, [&] { return own_[worker.seat()].erase(Value(there)); });
  }

  void pop(Worker& worker, Numbers next, std::uint64_t index) const {
    const std::string there = text_of(next[index]);
    next.erase(at(next, index));
    do_it(worker, Op::kListPop, next, [&]() -> absl::Status {
      const auto value = own_[worker.seat()].pop(static_cast<std::ptrdiff_t>(index));
      if (!value.ok()) return value.status();
      return *value == Value(there) ? absl::OkStatus() : absl::InternalError("another element");
    });
  }

  void extend(Worker& worker, Numbers next) const {
    const Numbers more = draw_several(worker, worker.below(8) == 0 ? 300 : 20);
    next.insert(next.end(), more.begin(), more.end());
    do_it(worker, Op::kListExtend, next,
          [&] { return own_[worker.seat()].extend(values_of(more)); });
  }

  // A piece becomes another, longer or shorter; or every second element is replaced.
  void assign(Worker& worker, Numbers next) const {
    Slice slice{.start = static_cast<std::ptrdiff_t>(worker.below(next.size()))};
    Numbers fresh;
    if (worker.below(2) == 0) {
      slice.step = 2;
      for (auto i = static_cast<std::uint64_t>(*slice.start); i < next.size(); i += 2) {
        fresh.push_back(next[i] = draw(worker));
      }
    } else {
      const std::uint64_t room = next.size() - static_cast<std::uint64_t>(*slice.start);
      slice.stop = *slice.start + static_cast<std::ptrdiff_t>(worker.below(room + 1));
      fresh = draw_several(worker, 40);
      next.erase(next.begin() + *slice.start, next.begin() + *slice.stop);
      next.insert(next.begin() + *slice.start, fresh.begin(), fresh.end());
    }
    do_it(worker, Op::kListAssign, next,
          [&] { return own_[worker.seat()].assign(slice, values_of(fresh)); });
  }

  void cut(Worker& worker, Numbers next) const {
    const auto from = static_cast<std::ptrdiff_t>(worker.below(next.size()));
    const Slice slice{.start = from, .stop = from + static_cast<std::ptrdiff_t>(next.size() / 3)};
    next.erase(next.begin() + from,
               next.begin() + std::min(*slice.stop, static_cast<std::ptrdiff_t>(next.size())));
    do_it(worker, Op::kListErase, next, [&] { return own_[worker.seat()].erase_slice(slice); });
  }

  // ---- everybody's: each number is put in once ----

  void use_pile(Worker& worker) const {
    const auto size = pile_.size();
    worker.need(size, "List.size");
    const std::uint64_t chance = worker.below(16);
    if (chance == 0) {
      return worker.need(worker.in(Op::kListSort, [&] { return pile_.sort(); }), "List.sort");
    }
    if (chance == 1) {
      return worker.need(worker.in(Op::kListReverse, [&] { return pile_.reverse(); }), "reverse");
    }
    if (chance == 2) return look_at_pile(worker);
    if (chance < 9 && *size < kPileMost) return add_to_pile(worker);
    absl::Status status;
    (void)worker.counted(Op::kListPop, kTaken, [&] {
      status = (worker.below(4) == 0 ? pile_.pop(0) : pile_.pop()).status();
      return status.ok();
    });
    if (!absl::IsOutOfRange(status)) worker.need(status, "List.pop");
  }

  void add_to_pile(Worker& worker) const {
    // No two workers ever make the same.
    const std::int64_t number = static_cast<std::int64_t>(worker.mark()) << 24 |
                                static_cast<std::int64_t>(worker.mine().steps.load() & 0xffffff);
    const bool insert = worker.below(4) == 0;
    absl::Status status;
    (void)worker.counted(insert ? Op::kListInsert : Op::kListAppend, kAdded, [&] {
      status = insert ? pile_.insert(static_cast<std::ptrdiff_t>(worker.below(20)), number)
                      : pile_.append(number);
      return status.ok();
    });
    worker.need(status, "List of all");
  }

  void look_at_pile(Worker& worker) const {
    const auto items = worker.in(Op::kListRead, [&] { return pile_.items(); });
    worker.need(items, "List.items");
    // A sort or a reverse may come in between, and shows none of them twice either.
    if (!all_differ(*items)) worker.fail("List of all: an element twice");
  }
  static bool all_differ(const std::vector<Value>& values) {
    std::vector<std::int64_t> numbers;
    numbers.reserve(values.size());
    for (const Value& value : values) numbers.push_back(value.is_int() ? *value.as_int() : 0);
    std::sort(numbers.begin(), numbers.end());
    return std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end() &&
           (numbers.empty() || numbers[0] != 0);
  }

  std::string count_pile(const Board& board, const std::vector<std::uint64_t>& killed_in) const {
    const auto items = pile_.items();
    if (!items.ok()) return failed(items, "List of all");
    if (!all_differ(*items)) return "List of all: an element twice, or one that nobody has put";
    std::uint64_t added = 0;
    std::uint64_t taken = 0;
    for (const Seat& seat : board.seats) {
      added += seat.done[kAdded].load();
      taken += seat.done[kTaken].load();
    }
    const auto killed = [&](Op op) { return killed_in[static_cast<std::size_t>(op)]; };
    const std::uint64_t most = added + killed(Op::kListAppend) + killed(Op::kListInsert);
    const std::uint64_t least_taken = items->size() + taken;
    if (least_taken <= most && least_taken + killed(Op::kListPop) >= added) return {};
    return "List of all: " + std::to_string(items->size()) + " left, " + std::to_string(added) +
           " to " + std::to_string(most) + " put in, " + std::to_string(taken) + " taken out";
  }

  List pile_;
  std::array<List, kContainerSeats> own_;
  Outside<std::array<Known, kContainerSeats>> known_;
};

}  // namespace

std::unique_ptr<ContainerPart> make_lists(const Client& client) {
  return std::make_unique<Lists>(client);
}

}  // namespace shoal::torture
