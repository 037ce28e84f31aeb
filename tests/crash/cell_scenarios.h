// Sweeps of Cell: large values, which are published whole or not at all, and waiting for a change.
#pragma once

#include <cstring>

#include "memory/cell.h"
#include "tests/crash/sync_scenario.h"

namespace shoal::test {

inline constexpr unsigned char kFirstValue = 1;  // as laid: sync_image.h
inline constexpr unsigned char kNextValue = 101;
inline constexpr unsigned char kLaterValue = 201;

// The size of its value.
inline std::size_t value_bytes(const ObjectView& view) { return view.count; }

inline Act storing(unsigned char first) {
  return [value = cell_value(first)](const ObjectView& view, Caller& caller) {
    return memory::store_cell(view, caller, long_deadline(),
                              std::span(value).first(value_bytes(view)));
  };
}

inline Result put(const ObjectView& view, Caller& caller, unsigned char first) {
  const auto value = cell_value(first);
  if (!memory::is_one_word(value_bytes(view))) return storing(first)(view, caller);
  std::uint64_t word = 0;
  std::memcpy(&word, value.data(), value_bytes(view));
  (void)view.descriptor->value.exchange(word);
  return Result::kDone;
}

// Which value it holds; 0: torn.
inline unsigned char value_in(const ObjectView& view) {
  std::array<std::byte, kValueBytesMax> now{};
  const std::size_t bytes = value_bytes(view);
  if (memory::is_one_word(bytes)) {
    const std::uint64_t word = view.descriptor->value.load();
    std::memcpy(now.data(), &word, bytes);
  } else if (memory::load_cell(view, memory::kReadPatienceNs, std::span(now).first(bytes)) !=
             Result::kDone) {
    return 0;
  }
  for (const unsigned char first : {kFirstValue, kNextValue, kLaterValue}) {
    if (std::memcmp(now.data(), cell_value(first).data(), bytes) == 0) return first;
  }
  return 0;
}

inline Wait change_sleeper() {
  return [old = cell_value(kFirstValue)](const ObjectView& view, Caller& caller) {
    return Outcome{memory::wait_for_change(view, caller, long_deadline(),
                                           std::span(old).first(value_bytes(view))),
                   {}};
  };
}

// Old or new, and once new for good; who sleeps for a change sees it.
inline Check expect_cell(const ObjectView& crash) {
  const unsigned char before = value_in(crash);
  if (before == 0) return always_wrong("a reader sees a torn value");
  return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
    if (value_in(view) != before) return "recovery changed the value";
    Actor later(kLater);
    if (before == kFirstValue) (void)put(view, later.caller(), kLaterValue);
    if (memory::notify_cell(view, later.caller()) != Result::kDone) return "no notify later";
    if (!sleepers.all_got_on()) return "a sleeper was not woken";
    if (view.descriptor->hint.load() != 0) return "the claim of the dead is left";
    for (const unsigned char value : {kNextValue, kLaterValue, kFirstValue}) {
      if (put(view, later.caller(), value) != Result::kDone) return "no store later";
      if (value_in(view) != value) return "a later store is not seen";
    }
    return "";
  };
}

// The same where the victim's own announcement is all that the sleepers need.
inline Check expect_announced(const ObjectView& crash) {
  const bool changed = value_in(crash) == kNextValue;
  const Check rest = expect_cell(crash);
  return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
    if (changed && !sleepers.all_got_on()) return "a sleeper was not told of the change";
    return rest(view, sleepers);
  };
}

inline std::function<void(const ObjectView&)> claimed_by(std::uint16_t slot) {
  return [=](const ObjectView& view) { view.descriptor->hint.store(memory::owner_of(slot, 1)); };
}

inline std::vector<Scenario> cell_scenarios() {
  const Made large{.kind = ObjectKind::kCell, .parameter = 24};
  const Made in_block{.kind = ObjectKind::kCell, .parameter = 80};
  const Made word{.kind = ObjectKind::kCell, .parameter = 4};
  const auto exchanging = [](unsigned char first) -> Act {
    return [expected = cell_value(first), next = cell_value(kNextValue)](const ObjectView& view,
                                                                         Caller& caller) {
      auto value = expected;
      return memory::exchange_cell(view, caller, long_deadline(),
                                   std::span(value).first(value_bytes(view)),
                                   std::span(next).first(value_bytes(view)));
    };
  };
  const Act changes_and_tells = [store = storing(kNextValue)](const ObjectView& view,
                                                              Caller& caller) {
    const bool one_word = memory::is_one_word(value_bytes(view));
    (void)(one_word ? put(view, caller, kNextValue) : store(view, caller));
    return memory::notify_cell(view, caller);
  };
  const Wait writer = [](const ObjectView& view, Caller& caller) {
    return Outcome{storing(kNextValue)(view, caller), {}};
  };
  const auto give_claim_back = [](const ObjectView& view) {
    Actor other(kOther);
    view.descriptor->hint.store(0);
    memory::announce_slow(other.caller(), view);
  };
  // The claim of the living goes back before anything is judged.
  const auto expect_with_claim = [=](const ObjectView& crash) -> Check {
    if (value_in(crash) == 0) return always_wrong("a reader sees a torn value");
    return [=](const ObjectView& view, Sleepers& sleepers) -> std::string {
      if (memory::slot_of_owner(view.descriptor->hint.load()) == kOther) give_claim_back(view);
      if (!sleepers.all_got_on()) return "a writer was not woken";
      return value_in(view) == kNextValue ? "" : "the writer's value is not there";
    };
  };
  return {
      {.name = "Cell store",
       .made = in_block,
       .victim = storing(kNextValue),
       .second = storing(kNextValue),
       .expect = expect_cell},
      {.name = "Cell store after a sleep",
       .made = large,
       .before = claimed_by(kOther),
       .sleepers = {writer},
       .victim = storing(kNextValue),
       .second = storing(kNextValue),
       .unblock = give_claim_back,
       .expect = expect_with_claim},
      {.name = "Cell compare_exchange",
       .made = large,
       .victim = exchanging(kFirstValue),
       .second = storing(kNextValue),
       .expect = expect_cell},
      {.name = "Cell compare_exchange that differs",
       .made = large,
       .victim = exchanging(kLaterValue),
       .result = Result::kDiffers,
       .expect = expect_cell},
      {.name = "Cell store and notify with a sleeper",
       .made = large,
       .sleepers = {change_sleeper()},
       .victim = changes_and_tells,
       .second = storing(kNextValue),
       .lets_go = 1,
       .expect = expect_announced},
      {.name = "Cell of one word, store and notify with two sleepers",
       .made = word,
       .sleepers = {change_sleeper(), change_sleeper()},
       .victim = changes_and_tells,
       .lets_go = 2,
       .expect = expect_announced},
      {.name = "Cell wait",
       .made = large,
       .sleepers = {change_sleeper()},
       .victim = [wait = change_sleeper()](const ObjectView& view,
                                           Caller& caller) { return wait(view, caller).result; },
       .unblock =
           [](const ObjectView& view) {
             Actor other(kOther);
             (void)put(view, other.caller(), kNextValue);
             (void)memory::notify_cell(view, other.caller());
           },
       .expect = expect_cell},
  };
}

}  // namespace shoal::test
