// A transaction that stops at an access to a shared word, a snapshot that begins then and stops at
// one of its own, the transaction to its end, the snapshot to its end: at each of either in turn.
// Both of the transaction's keys are old in it, or both new.
#define SHOAL_SCHEDULED 1
#define SHOAL_SEEDED_FAULTS 1
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "memory/transaction.h"
#include "tests/schedule/fiber.h"
#include "tests/unit/dict_memory.h"

namespace shoal::test {
namespace {

// Two that take turns. Each has so many steps before the other goes on; less than 0: to its end.
struct Turns {
  Fiber home;
  std::unique_ptr<Fiber> fibers[2];
  int left[2] = {-1, -1};
  bool started[2] = {true, false};
  bool ended[2] = {};
  int running = 0;
};
Turns* turns = nullptr;

void go_on_with_the_other() {
  const int me = turns->running;
  turns->running = 1 - me;
  turns->started[1 - me] = true;
  turns->fibers[me]->switch_to(*turns->fibers[1 - me]);
}

struct Stopped {
  bool first = false;
  bool second = false;
};

// The first stops at its step, the second at its own, if they have so many.
Stopped take_turns(int first_steps, int second_steps, const std::function<void()>& first,
                   const std::function<void()>& second) {
  Turns now;
  const auto body = [&now](int me, const std::function<void()>& run) {
    return [&now, me, &run] {
      run();
      now.ended[me] = true;
      const bool other_waits = now.started[1 - me] && !now.ended[1 - me];
      now.running = 1 - me;
      now.fibers[me]->end_with(other_waits ? *now.fibers[1 - me] : now.home);
    };
  };
  now.fibers[0] = std::make_unique<Fiber>(0, body(0, first));
  now.fibers[1] = std::make_unique<Fiber>(1, body(1, second));
  now.left[0] = first_steps;
  now.left[1] = second_steps;
  turns = &now;
  now.home.switch_to(*now.fibers[0]);
  turns = nullptr;
  return {.first = now.started[1], .second = now.started[1] && now.left[1] < 0};
}

}  // namespace
}  // namespace shoal::test

namespace shoal::memory {
SHOAL_VARIANT_BEGIN
void scheduler_step(const void*) {
  if (test::turns == nullptr) return;
  test::Turns& now = *test::turns;
  int& left = now.left[now.running];
  if (left < 0 || now.ended[1 - now.running]) return;
  if (left-- == 0) test::go_on_with_the_other();
}
SHOAL_VARIANT_END
}  // namespace shoal::memory

namespace shoal::test {
namespace {

using memory::Result;

constexpr const char* kKeys[] = {"one", "two"};

// Both keys, at once. `value` must outlive the call.
Result put_both(DictMemory& memory, Process& process, const std::int64_t& value) {
  memory::TransactionChanges changes;
  for (const char* key : kKeys) {
    changes.keys.push_back({.dict = &memory.dict(),
                            .key = memory.dict().key(kText, key),
                            .value = {.data = &value, .bytes = 8, .kind = kNumber}});
  }
  memory::Call call{.caller = process.caller, .timeout_ns = kPatienceNs};
  return memory::Transaction(memory.home()).commit(call, changes, {});
}

std::vector<std::int64_t> values_in(const memory::DictSnapshot& snapshot) {
  std::vector<std::int64_t> values;
  for (const memory::DictItem& item : snapshot.items) {
    std::memcpy(&values.emplace_back(), snapshot.bytes.data() + item.value, 8);
  }
  return values;
}

// What is wrong, or nothing.
std::string race(int writer_steps, int reader_steps, Stopped& stopped) {
  DictMemory memory(std::uint64_t{1} << 20);
  Process process(1);
  EXPECT_EQ(put_both(memory, process, 1), Result::kDone);
  memory::DictSnapshot snapshot;
  Result read = Result::kDone;
  stopped = take_turns(
      writer_steps, reader_steps, [&] { EXPECT_EQ(put_both(memory, process, 2), Result::kDone); },
      [&] { read = memory.reader().snapshot(nullptr, kPatienceNs, true, snapshot); });
  if (!stopped.first) return {};
  expect_sound(memory);
  const std::vector<std::int64_t> values = values_in(snapshot);
  if (read == Result::kDone && values.size() == 2 && values[0] == values[1]) return {};
  return "half a transaction was seen: its step " + std::to_string(writer_steps) +
         ", the snapshot's " + std::to_string(reader_steps);
}

std::string race_everywhere() {
  Stopped stopped{.first = true};
  for (int writer_steps = 0; stopped.first; ++writer_steps) {
    stopped.second = true;
    for (int reader_steps = 0; stopped.first && stopped.second; ++reader_steps) {
      std::string wrong = race(writer_steps, reader_steps, stopped);
      if (!wrong.empty()) return wrong;
    }
  }
  return {};
}

TEST(DictTransactionInterleaving, ASnapshotSeesAllOfItOrNothing) {
  EXPECT_EQ(race_everywhere(), "");
}

TEST(DictTransactionInterleaving, FindsAChangeThatIsRaisedBeforeTheMark) {
  memory::seeded_fault = memory::Fault::kRaisedBeforeMark;
  EXPECT_NE(race_everywhere(), "");
  memory::seeded_fault = memory::Fault::kNone;
}

}  // namespace
}  // namespace shoal::test
