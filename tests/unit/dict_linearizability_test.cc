// memory/dict*: what threads and processes see of one key is linearizable; and the checker can
// tell.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dict_memory.h"
#include "linearizability.h"
#include "roles.h"

namespace shoal {
namespace {

using memory::DictDecision;
using memory::Result;
using test::DictMemory;
using test::KeyCall;
using test::KeyEvent;
using test::Linearizability;
using test::Process;

KeyEvent put(std::uint64_t begin, std::uint64_t end, std::int64_t value) {
  return {.begin = begin, .end = end, .call = KeyCall::kPut, .value = value};
}
KeyEvent get(std::uint64_t begin, std::uint64_t end, std::int64_t value, bool done = true) {
  return {.begin = begin, .end = end, .call = KeyCall::kGet, .value = value, .done = done};
}
KeyEvent erase(std::uint64_t begin, std::uint64_t end, bool done) {
  return {.begin = begin, .end = end, .call = KeyCall::kErase, .done = done};
}
KeyEvent exchange(std::uint64_t begin, std::uint64_t end, std::int64_t expected, std::int64_t value,
                  bool done) {
  return {.begin = begin,
          .end = end,
          .call = KeyCall::kExchange,
          .value = value,
          .expected = expected,
          .done = done};
}
KeyEvent increment(std::uint64_t begin, std::uint64_t end, std::int64_t value) {
  return {.begin = begin, .end = end, .call = KeyCall::kIncrement, .value = value};
}

TEST(Linearizability, RejectsBadHistories) {
  const std::vector<std::vector<KeyEvent>> bad = {
      {put(1, 2, 1), put(3, 4, 2), get(5, 6, 1)},                              // an old value
      {put(1, 2, 1), get(3, 4, 7)},                                            // from nowhere
      {put(1, 2, 1), put(3, 10, 2), get(4, 5, 2), get(6, 7, 1)},               // back again
      {put(1, 2, 1), exchange(3, 8, 1, 2, true), exchange(4, 7, 1, 3, true)},  // both of them
      {put(1, 2, 1), erase(3, 8, true), erase(4, 7, true)},                    // twice
      {put(1, 2, 1), increment(3, 8, 2), increment(4, 7, 2)},                  // one is lost
      {put(1, 2, 1), get(3, 4, 0, false)},                                     // it was lost
      {put(1, 2, 1), erase(3, 4, false)},                                      // so it was here
      {put(1, 2, 1), exchange(3, 4, 1, 2, false)},                             // for no reason
      {put(1, 4, 1), put(2, 3, 2), get(5, 6, 1), get(7, 8, 2)},  // one, then the other
  };
  EXPECT_EQ(bad.size(), 10U);
  for (std::size_t i = 0; i < bad.size(); ++i) {
    EXPECT_FALSE(Linearizability(bad[i]).holds()) << "history " << i;
  }
}

TEST(Linearizability, AcceptsGoodHistories) {
  const std::vector<std::vector<KeyEvent>> good = {
      {},
      {get(1, 2, 0, false), put(3, 4, 1), get(5, 6, 1)},
      {put(1, 2, 1), put(3, 10, 2), get(4, 5, 1), get(6, 7, 2)},
      {put(1, 10, 1), get(2, 3, 0, false), get(4, 5, 1)},
      {put(1, 2, 1), exchange(3, 8, 1, 2, true), exchange(4, 7, 1, 3, false)},
      {put(1, 2, 1), erase(3, 8, true), erase(4, 7, false)},
      {put(1, 2, 1), increment(3, 8, 3), increment(4, 7, 2)},
      {put(1, 4, 1), put(2, 3, 2), get(5, 6, 1), get(7, 8, 1)},
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_TRUE(Linearizability(good[i]).holds()) << "history " << i;
  }
}

// ---- histories of a dict ----

constexpr std::size_t kCallers = 3;
constexpr std::size_t kCalls = 8;  // of a caller in a round
constexpr int kRounds = 4000;

// Shared by the callers.
struct History {
  std::atomic<std::uint64_t> clock;
  std::atomic<std::uint32_t> arrived;
  KeyEvent events[kRounds][kCallers][kCalls];
};

// Half of the keys have values that are replaced with one store.
struct OneKey {
  memory::Dict& writer;
  const memory::Dict& reader;
  memory::Caller& caller;
  std::string key;
  bool is_text;

  // A text is the number three times; a torn one is no number that anybody put.
  static std::int64_t number_in(const memory::StoredValue& value) {
    std::int64_t number[3] = {};
    memory::copy_out(number, value.data, std::min<std::uint64_t>(value.bytes, sizeof number));
    const bool torn = value.bytes != 8 && (number[0] != number[1] || number[0] != number[2]);
    return torn ? INT64_MIN : number[0];
  }
  memory::DictValue store(std::int64_t (&number)[3], std::int64_t value) const {
    std::fill(std::begin(number), std::end(number), value);
    return {.data = number,
            .bytes = is_text ? sizeof number : sizeof number[0],
            .kind = is_text ? test::kText : test::kNumber};
  }

  void run(KeyEvent& event) const {
    memory::Call call{.caller = caller, .timeout_ns = test::kPatienceNs};
    const memory::DictKey at = writer.key(test::kText, key);
    std::int64_t number[3];
    memory::DictValue sum;
    Result result{};
    switch (event.call) {
      case KeyCall::kPut:
        result = writer.put(call, at, store(number, event.value));
        break;
      case KeyCall::kGet:
        result = reader.find(at, test::kPatienceNs, [&](const memory::StoredValue& value) {
          event.value = number_in(value);
        });
        break;
      case KeyCall::kErase:
        result = writer.erase(call, at);
        break;
      default:
        result = writer.change(call, at, [&](const memory::StoredValue* found) {
          if (found == nullptr) return DictDecision{.result = Result::kAbsent};
          const std::int64_t old = number_in(*found);
          if (event.call == KeyCall::kIncrement) {
            event.value = old + 1;
          } else if (old != event.expected) {
            return DictDecision{.result = Result::kDiffers};
          }
          sum = store(number, event.value);
          return DictDecision{.what = DictDecision::What::kPut, .value = &sum};
        });
    }
    event.done = result == Result::kDone;
  }
};

void be_a_caller(DictMemory& memory, History& history, std::size_t who) {
  Process process(static_cast<std::uint16_t>(1 + who));
  std::mt19937_64 draw(who);
  for (int round = 0; round < kRounds; ++round) {
    const OneKey one{.writer = memory.dict(who % 2),
                     .reader = memory.reader(),
                     .caller = process.caller,
                     .key = "key" + std::to_string(round),
                     .is_text = round % 2 != 0};
    history.arrived.fetch_add(1);
    const auto all = static_cast<std::uint32_t>(round + 1) * std::uint32_t{kCallers};
    while (history.arrived.load() < all) std::this_thread::yield();
    for (KeyEvent& event : history.events[round][who]) {
      event.call = static_cast<KeyCall>(draw() % 5);
      event.value = static_cast<std::int64_t>(draw() % 4);
      event.expected = static_cast<std::int64_t>(draw() % 4);
      event.begin = history.clock.fetch_add(1);
      one.run(event);
      event.end = history.clock.fetch_add(1);
    }
  }
}

void record_and_check(test::RunRoles run) {
  DictMemory memory;
  const test::SharedBy<History> history;
  std::vector<test::Role> roles;
  for (std::size_t who = 0; who < kCallers; ++who) {
    roles.emplace_back([&, who] { be_a_caller(memory, *history, who); });
  }
  run(roles);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<KeyEvent> events;
    for (const auto& caller : history->events[round]) {
      events.insert(events.end(), std::begin(caller), std::end(caller));
    }
    ASSERT_TRUE(Linearizability(events).holds()) << "round " << round;
  }
}

TEST(DictLinearizability, OfThreads) { record_and_check(test::run_as_threads); }
TEST(DictLinearizability, OfProcesses) { record_and_check(test::run_as_processes); }

}  // namespace
}  // namespace shoal
