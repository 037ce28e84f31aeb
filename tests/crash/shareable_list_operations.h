// The mutating operations of ShareableList as the sweeps see them: what the victim finds, does, and
// what the living must find afterwards. Used with the real list and with seeded faults.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "memory/shareable_list.h"
#include "tests/crash/sweep.h"

namespace shoal::test {

using memory::ListView;

inline constexpr std::uint16_t kVictimSlot = 7;
inline constexpr std::uint16_t kOtherSlot = 9;
inline constexpr std::size_t kListBytes = 1024;
// Long beside a set, short beside the patience of whoever waits for a sweep that finds a fault.
inline constexpr absl::Duration kPatience = absl::Milliseconds(50);

inline const std::vector<Value>& initial_values() {
  static const std::vector<Value> kValues = {
      1,
      "short",
      Value("a string of forty-one bytes, or nearly so"),
      2.5,
      Bytes(std::string_view("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x00\x00", 11)),
      true,
      nullptr};
  return kValues;
}

inline bool same(const Value& a, const Value& b) { return a.kind() == b.kind() && a == b; }

inline Value bytes_with_nuls() { return Bytes(std::string_view("tail\0\0\0\0\0", 9)); }

// What the elements may be: exactly `values`, but `target` may also be `next`.
struct Expected {
  std::vector<Value> values = initial_values();
  std::size_t target = 0;
  Value next;

  // Empty, or what is wrong. `done`: the target holds `next`.
  std::string read(const ListView& list, bool* done) const {
    for (std::size_t at = 0; at < values.size(); ++at) {
      const auto index = static_cast<std::ptrdiff_t>(at);
      const absl::StatusOr<Value> got = list.get(index);
      const std::string where = "element " + std::to_string(at) + " ";
      if (!got.ok()) return std::string(got.status().message());
      const bool is_next = at == target && same(*got, next);
      if (at == target) *done = is_next;
      if (!is_next && !same(*got, values[at])) return where + "is torn";
      if (!got->is_int()) continue;
      const absl::StatusOr<std::int64_t> number = list.get_int64(index);
      if (!number.ok() || *number != *got->as_int()) return where + "differs by get_int64";
    }
    return "";
  }
};

// Sets that every later process must be able to do, and that must not bring anything back.
inline std::string go_on(ListView& list, Expected expected, bool done) {
  if (done) expected.values[expected.target] = expected.next;
  expected.next = expected.values[expected.target];
  const std::pair<std::size_t, Value> sets[] = {{3, 7},       {0, 12},      {6, "x"},
                                                {2, "again"}, {1, Value()}, {4, bytes_with_nuls()},
                                                {0, 13},      {5, 0.5},     {1, "back"}};
  for (const auto& [at, value] : sets) {
    const absl::Status status =
        list.set(static_cast<std::ptrdiff_t>(at), value, kOtherSlot, kPatience);
    if (!status.ok()) return "later set: " + std::string(status.message());
    expected.values[at] = value;
    if (at == expected.target) expected.next = value;
    bool ignored = false;
    if (std::string wrong = expected.read(list, &ignored); !wrong.empty()) {
      return "after a later set of " + std::to_string(at) + ": " + wrong;
    }
  }
  return "";
}

inline Verdict judge_list(std::span<std::byte> bytes, const Expected& expected) {
  absl::StatusOr<ListView> list = ListView::attach(bytes);
  if (!list.ok()) return {false, std::string(list.status().message())};
  bool before = false;
  bool after = false;
  if (std::string wrong = expected.read(*list, &before); !wrong.empty()) return {before, wrong};
  for (int time = 0; time < 2; ++time) {  // recovery may itself be repeated
    const absl::Status status = memory::orphan(bytes, kVictimSlot);
    if (!status.ok()) return {before, "orphan: " + std::string(status.message())};
    if (std::string wrong = expected.read(*list, &after); !wrong.empty()) {
      return {before, "recovered: " + wrong};
    }
    if (before != after) return {before, "recovery changed the value"};
  }
  return {before, go_on(*list, expected, before)};
}

inline void lay_out(std::span<std::byte> bytes) {
  if (!memory::format(bytes, initial_values()).ok()) abort();
}

inline Operation set_operation(std::string name, std::size_t target, Value next) {
  Expected expected = {.target = target, .next = next};
  return {.name = std::move(name),
          .prepare = lay_out,
          .victim =
              [target, next](std::span<std::byte> bytes) {
                return [list = ListView::attach(bytes).value(), target, next]() mutable {
                  const auto index = static_cast<std::ptrdiff_t>(target);
                  (void)list.set(index, next, kVictimSlot, kPatience);
                };
              },
          .judge = [expected](std::span<std::byte> bytes) { return judge_list(bytes, expected); }};
}

inline Operation set_int64_operation(std::size_t target, std::int64_t next) {
  Operation operation = set_operation("set_int64", target, next);
  operation.victim = [target, next](std::span<std::byte> bytes) {
    return [list = ListView::attach(bytes).value(), target, next]() mutable {
      (void)list.set_int64(static_cast<std::ptrdiff_t>(target), next, kVictimSlot, kPatience);
    };
  };
  return operation;
}

// Where the parts of the list of initial_values() lie, worked out from the layout alone.
struct Places {
  std::vector<std::size_t> slots = {8, 8, 48, 8, 16, 8, 8};
  std::size_t data = memory::list_data_offset(slots.size());
  std::size_t formats = data + 8 + 8 + 48 + 8 + 16 + 8 + 8;
  std::size_t codes = formats + 8 * slots.size();
  std::size_t trailer = memory::round_up(codes + slots.size(), memory::kLineBytes);
  std::size_t word = trailer + memory::kShadowWordOffset;
  std::size_t record = trailer + memory::kShadowRecordOffset;
  std::size_t tails = record + sizeof(memory::ShadowRecord) + 48;

  std::size_t element(std::size_t at) const {
    std::size_t offset = data;
    for (std::size_t i = 0; i < at; ++i) offset += slots[i];
    return offset;
  }
};

inline std::uint64_t word_in(std::span<const std::byte> bytes) {
  std::uint64_t word = 0;
  memcpy(&word, &bytes[Places().word], 8);
  return word;
}

// What a writer leaves that died in `state` while it set `at` to `value`: shadow word and record,
// and the element half copied if it had published. Independent of how set() goes about it.
inline void leave_behind(std::span<std::byte> bytes, memory::ShadowState state, std::uint16_t owner,
                         std::size_t at, const Value& value) {
  lay_out(bytes);
  std::vector<Value> values = initial_values();
  values[at] = value;  // of the same slot as the one before
  alignas(64) std::byte other[kListBytes] = {};
  if (!memory::format(other, values).ok()) abort();
  const Places places;
  if (std::size_t{memory::bytes_needed(values).value()} !=
      memory::bytes_needed(initial_values()).value()) {
    abort();
  }
  const std::uint64_t index = at;
  memcpy(&bytes[places.record], &index, 8);
  memcpy(&bytes[places.record + 8], &other[places.formats + 8 * at], 8);
  bytes[places.record + 16] = other[places.codes + at];
  memcpy(&bytes[places.record + 24], &other[places.tails + 8 * at], 8);
  memcpy(&bytes[places.record + 32], &other[places.element(at)], places.slots[at]);
  if (state == memory::ShadowState::kPublished) {
    bytes[places.codes + at] = other[places.codes + at];
    memcpy(&bytes[places.element(at)], &other[places.element(at)], places.slots[at] / 2);
  }
  const std::uint64_t word = memory::shadow_word(state, owner, 5);
  memcpy(&bytes[places.word], &word, 8);
}

inline const Value& orphaned_value() {
  static const Value kValue("the value of a writer which died just after");
  return kValue;
}

// A set that finds the published record of a dead writer, and dies in its turn.
inline Operation take_over_operation(std::size_t target, Value next) {
  constexpr std::size_t kOrphaned = 2;
  Operation operation = set_operation("set over an orphaned record", target, next);
  Expected expected = {.target = target, .next = next};
  expected.values[kOrphaned] = orphaned_value();
  operation.prepare = [](std::span<std::byte> bytes) {
    leave_behind(bytes, memory::ShadowState::kPublished, 0, kOrphaned, orphaned_value());
  };
  operation.judge = [expected](std::span<std::byte> bytes) { return judge_list(bytes, expected); };
  return operation;
}

// orphan() itself. No value changes by it: it is done when the victim's slot is out of the word.
inline Operation orphan_operation(memory::ShadowState state) {
  constexpr std::size_t kTarget = 2;
  const bool published = state == memory::ShadowState::kPublished;
  Expected expected;
  expected.target = kTarget;
  if (published) expected.values[kTarget] = orphaned_value();
  expected.next = expected.values[kTarget];
  return {.name = published ? "orphan of a published set" : "orphan of a claimed set",
          .prepare =
              [state](std::span<std::byte> bytes) {
                leave_behind(bytes, state, kVictimSlot, kTarget, orphaned_value());
              },
          .victim =
              [](std::span<std::byte> bytes) {
                return [bytes] { (void)memory::orphan(bytes, kVictimSlot); };
              },
          .judge =
              [expected](std::span<std::byte> bytes) {
                const bool gone = memory::shadow_owner(word_in(bytes)) != kVictimSlot;
                return Verdict{gone, judge_list(bytes, expected).violation};
              }};
}

inline std::vector<Operation> list_operations() {
  return {
      set_int64_operation(0, 0x0102030405060708),
      set_operation("set int to int", 0, -2),
      set_operation("set double to double", 3, 1e300),
      set_operation("set int to double", 0, 0.25),
      set_operation("set int to str", 0, "eight by"),
      set_operation("set str to int", 1, 0x2020202020202020),
      set_operation("set str to a longer str", 1, "shorter."),
      set_operation("set str to str of its whole slot", 2,
                    "forty-eight bytes of UTF-8, \xc3\xa4\xc3\xb6\xc3\xbc and more then"),
      set_operation("set bytes, NULs at the end", 4, bytes_with_nuls()),
      set_operation("set str to None", 2, nullptr),
      set_operation("set None to bool", 6, false),
      take_over_operation(1, "taken"),
      take_over_operation(0, 99),
      orphan_operation(memory::ShadowState::kClaimed),
      orphan_operation(memory::ShadowState::kPublished),
  };
}

}  // namespace shoal::test
