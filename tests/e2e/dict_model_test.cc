// A dict that several processes change at once, each of them its own keys and by calls of all
// kinds, beside a model of each: every answer, and in the end all that is there, in its order, is
// what the models say.
//
// $SHOAL_MODEL_OPERATIONS: how many calls in all (default 300,000). $SHOAL_MODEL_SEED: which ones.
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/e2e/dict_model_calls.h"
#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

constexpr int kOwners = 4;
constexpr std::int64_t kOperationsOfARound = 10'000;  // of each owner

std::int64_t from_environment(const char* name, std::int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

// Growth and shrinking by turns, among many keys; then a few that all owners have beside each
// other's.
DictOwner::Round round_of(std::int64_t number) {
  static constexpr DictOwner::Round kRounds[] = {{0, 8000, 10}, {0, 8000, 55}, {0, 30, 30},
                                                 {0, 1000, 25}, {0, 8000, 5},  {0, 1000, 60}};
  DictOwner::Round round = kRounds[static_cast<std::size_t>(number) % std::size(kRounds)];
  round.operations = kOperationsOfARound;
  return round;
}

// The commands of the parent, until there are no more.
std::string obey(DictOwner& owner, const Channel& parent) {
  for (std::int64_t number = 0;;) {
    const std::string command = parent.hear();
    if (command.empty() || command == "end") return "over";
    if (command == "work") owner.work(round_of(number++));
    if (command == "look") owner.look_at_all();
    if (command == "forget") owner.forget();
    parent.say(std::to_string(owner.size()));
  }
}

class DictModel : public Sync {
 protected:
  // All owners do it at once: how many entries they have together then, or -1.
  std::int64_t all(const std::string& command) {
    for (const Child& owner : owners_) owner.say(command);
    std::int64_t entries = 0;
    for (const Child& owner : owners_) {
      const std::string answer = owner.hear();
      char* end = nullptr;
      const std::int64_t more = std::strtoll(answer.c_str(), &end, 10);
      if (answer.empty() || *end != '\0') {
        ADD_FAILURE() << (answer.empty() ? "an owner ended by itself" : answer);
        return -1;
      }
      entries += more;
    }
    return entries;
  }

  // While nobody works: what is there is what all models have together.
  void compare(const Dict& dict, std::int64_t entries) {
    ASSERT_EQ(all("look"), entries);
    const std::vector<DictEntry> items = must(dict.items());
    ASSERT_EQ(static_cast<std::int64_t>(items.size()), entries);
    ASSERT_EQ(static_cast<std::int64_t>(must(dict.size())), entries);
    const absl::StatusOr<DictStatistics> sound = dict.verify();
    ASSERT_TRUE(sound.ok()) << sound.status();
    ASSERT_EQ(static_cast<std::int64_t>(sound->entries), entries);
  }

  // By clear(), or entry by entry: the last one first.
  static void empty(const Dict& dict, bool by_clear) {
    if (by_clear) return must(dict.clear());
    std::vector<DictEntry> items = must(dict.items());
    for (; !items.empty(); items.pop_back()) ASSERT_EQ(must(dict.pop_item()), items.back());
    ASSERT_EQ(code(dict.pop_item()), "NOT_FOUND");
  }

  std::vector<Child> owners_;
};

TEST_F(DictModel, OfEachProcessSaysWhatIsThere) {
  const std::int64_t operations = from_environment("SHOAL_MODEL_OPERATIONS", 300'000);
  const auto seed = static_cast<std::uint64_t>(from_environment("SHOAL_MODEL_SEED", 1));
  SCOPED_TRACE("SHOAL_MODEL_SEED=" + std::to_string(seed));
  const Dict dict = made<Dict>("it");
  for (int i = 0; i < kOwners; ++i) {
    owners_.emplace_back([&, i](Channel& parent) {
      const Client client = manager_.client();
      DictOwner owner(client, must(client.open<Dict>("it")), i, kOwners, seed);
      return obey(owner, parent);
    });
  }
  std::int64_t done = 0;
  for (std::int64_t round = 1; done < operations; ++round) {
    const std::int64_t entries = all("work");
    ASSERT_NO_FATAL_FAILURE(compare(dict, entries));
    done += kOwners * kOperationsOfARound;
    if (round % 5 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(empty(dict, /*by_clear=*/round % 2 == 0));
    ASSERT_EQ(all("forget"), 0);
    ASSERT_NO_FATAL_FAILURE(compare(dict, 0));
  }
  for (const Child& owner : owners_) owner.say("end");
  for (Child& owner : owners_) EXPECT_EQ(owner.result(), "over");
  RecordProperty("operations", std::to_string(done));
}

}  // namespace
}  // namespace shoal::e2e
