// The calls of Cell, Array and ShareableList.
#pragma once

#include <array>

#include <shoal/array.h>
#include <shoal/cell.h>
#include <shoal/shareable_list.h>

#include "tests/crash/public/operation.h"

namespace shoal::test {

using LargeValue = std::array<double, 16>;

inline LargeValue large(double value) {
  LargeValue all;
  all.fill(value);
  return all;
}

// The cell holds `first` or `next`, whole, and goes on.
template <class V>
std::string old_or_new(const Cell<V>& cell, const V& first, const V& next) {
  const absl::StatusOr<V> now = cell.load();
  if (!now.ok()) return text_of(now.status());
  if (*now != first && *now != next) return "the value is torn";
  if (!cell.store(first).ok() || cell.load().value() != first) return "no store later";
  V expected = first;
  if (!cell.compare_exchange(expected, next).value()) return "no exchange later";
  if (!cell.notify().ok()) return "no notify later";
  return cell.load().value() == next ? "" : "a later store is not seen";
}

template <class V>
void add_cell_operations(std::vector<PublicOperation>& all, const std::string& of, const V& first,
                         const V& next) {
  using T = Cell<V>;
  // The call makes `from` to `to`.
  const auto add_from = [&](const std::string& method, const V& from, const V& to,
                            std::function<void(const T&)> call) {
    Case<T> made;
    made.name = "Cell of " + of + ", " + method;
    made.methods = {"Cell::" + method};
    made.options.initial = from;
    made.warm_up = [from](const T& cell) {
      (void)cell.notify();
      if (cell.lock().acquire(kPatience).ok()) (void)cell.lock().release();
      (void)cell.store(from);
    };
    made.call = std::move(call);
    made.go_on = [from, to](const T& cell, const AtDeath&) { return old_or_new(cell, from, to); };
    made.twice = method == "store";
    all.push_back(operation_of<T>(std::move(made)));
  };
  const auto add = [&](const std::string& method, std::function<void(const T&)> call) {
    add_from(method, first, next, std::move(call));
  };
  add("store", [next](const T& cell) { (void)cell.store(next); });
  add("exchange", [next](const T& cell) { (void)cell.exchange(next); });
  add("compare_exchange", [first, next](const T& cell) {
    V expected = first;
    (void)cell.compare_exchange(expected, next);
  });
  if constexpr (std::integral<V>) {
    add("fetch_add", [=](const T& cell) { (void)cell.fetch_add(next - first); });
    add("fetch_sub", [=](const T& cell) { (void)cell.fetch_sub(first - next); });
    add("fetch_xor", [=](const T& cell) { (void)cell.fetch_xor(first ^ next); });
    add_from("fetch_and", first, first & next,
             [next](const T& cell) { (void)cell.fetch_and(next); });
    const V more = first | 16;
    add_from("fetch_or", first, more, [more](const T& cell) { (void)cell.fetch_or(more); });
  }
  // Changing and telling, and being told.
  const std::function<std::string(const T&)> waits = [first](const T& cell) {
    return text_of(cell.wait(first, 2 * kPatience));
  };
  const auto change_and_tell = [next](const T& cell) {
    (void)cell.store(next);
    (void)cell.notify();
  };
  Case<T> waiting;
  waiting.options.initial = first;
  waiting.warm_up = [first](const T& cell) {
    (void)cell.store(first);
    (void)cell.notify();
    (void)cell.wait(first, absl::Milliseconds(1));
  };
  waiting.sleepers = {waits};
  waiting.help = [next, change_and_tell](const T& cell, const AtDeath&) {
    if (cell.load().value() != next) change_and_tell(cell);
  };
  waiting.go_on = [first, next](const T& cell, const AtDeath&) {
    return old_or_new(cell, first, next);
  };
  Case<T> telling = waiting;
  telling.name = "Cell of " + of + ", store and notify, one asleep";
  telling.methods = {"Cell::notify"};
  telling.call = change_and_tell;
  all.push_back(operation_of<T>(std::move(telling)));
  waiting.name = "Cell of " + of + ", wait, another asleep";
  waiting.methods = {"Cell::wait"};
  waiting.call = [first](const T& cell) { (void)cell.wait(first, 2 * kPatience); };
  waiting.unblock = change_and_tell;
  all.push_back(operation_of<T>(std::move(waiting)));
}

// The lock that an object has of its own, held and dropped by the victim.
template <class T>
PublicOperation lock_of_operation(const std::string& kind, const typename T::Options& options) {
  Case<T> made;
  made.name = kind + " lock(), acquire and release, a survivor asleep";
  made.methods = {kind + "::lock"};
  made.options = options;
  made.warm_up = [](const T& object) {
    (void)object.lock().acquire(kPatience);
    (void)object.lock().release();
  };
  made.sleepers = {[](const T& object) -> std::string {
    const absl::StatusOr<Acquired> got = object.lock().acquire(2 * kPatience);
    return text_of(got.ok() ? object.lock().release() : got.status());
  }};
  made.prepare = [](const T& object) { (void)object.lock().acquire(kPatience); };
  made.call = [](const T& object) {
    (void)object.lock().acquire(kPatience);
    (void)object.lock().release();
    (void)object.lock().release();
  };
  made.go_on = [kind](const T& object, const AtDeath& death) -> std::string {
    const absl::StatusOr<Acquired> got = object.lock().acquire(kPatience);
    if (!got.ok()) return text_of(got.status());
    // A cell's is abandoned by whoever was in; one that is on its way in or out has changed
    // nothing.
    const bool in = kind != "Cell" || death.image.words().depth.load() != 0;
    if (got->abandoned != (death.had_word() && in)) return "is told wrongly of the death";
    return text_of(object.lock().release());
  };
  return operation_of<T>(std::move(made));
}

template <class V>
PublicOperation array_operation(const std::string& of, const V& next) {
  using T = Array<V>;
  Case<T> made;
  made.name = "Array of " + of + ", set";
  made.methods = {"Array::set"};
  made.options.size = 8;
  made.warm_up = [next](const T& array) { (void)array.set(0, next); };
  made.call = [next](const T& array) { (void)array.set(-1, next); };
  made.go_on = [next](const T& array, const AtDeath&) -> std::string {
    for (std::ptrdiff_t i = 0; i < 7; ++i) {
      if (array.get(i).value() != V{}) return "another element changed";
    }
    const V last = array.get(7).value();
    // An element of more than a word may be half written: the array's lock is there for that.
    if (sizeof(V) <= 8 && last != V{} && last != next) return "the element is torn";
    return array.set(7, next).ok() && array.get(-1).value() == next ? "" : "no set later";
  };
  return operation_of<T>(std::move(made));
}

inline void add_list_operations(std::vector<PublicOperation>& all) {
  using T = ShareableList;
  const std::string first = "a string of some bytes";
  const std::string next = "another one of a few";
  const auto add = [&](const std::string& method, std::function<void(const T&)> call) {
    Case<T> made;
    made.name = "ShareableList " + method;
    made.methods = {"ShareableList::" + method};
    made.options.values = {Value(1), Value(first)};
    made.warm_up = [next](const T& list) {
      (void)list.set_int(0, 3);
      (void)list.set(1, Value(next));
    };
    made.call = std::move(call);
    made.go_on = [first, next](const T& list, const AtDeath&) -> std::string {
      const std::int64_t number = list.get_int(0).value();
      const Value text = list.get(1).value();
      if (number != 1 && number != 2) return "a number is torn";
      if (text != Value(first) && text != Value(next)) return "a string is torn";
      if (!list.set(1, Value(first)).ok() || list.get(1).value() != Value(first)) {
        return "no set later";
      }
      return list.set_int(0, 7).ok() && list.get_int(0).value() == 7 ? "" : "no set_int later";
    };
    all.push_back(operation_of<T>(std::move(made)));
  };
  add("set", [next](const T& list) { (void)list.set(1, Value(next)); });
  add("set_int", [](const T& list) { (void)list.set_int(0, 2); });
}

}  // namespace shoal::test
