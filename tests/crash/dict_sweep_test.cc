// Every instruction of what changes a dict, stopped at and killed at; the recovery from what is
// left, stopped too; and two victims at once.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "memory/dict.h"
#include "tests/crash/dict_operations.h"
#include "tests/crash/kill_points.h"
#include "tests/crash/shared_bytes.h"
#include "tests/crash/sweep.h"
#include "tests/crash/traced.h"

namespace shoal::test {
namespace {

bool everything() { return std::getenv("SHOAL_SWEEP_FULL") != nullptr; }

std::uint64_t root_of(const DictWorld& world, const Dict& dict, const std::string& key) {
  const std::uint64_t page = world.descriptor().first_page.load();
  const auto hash = static_cast<std::uint32_t>(dict.key(kTextKind, key).hash);
  for (std::uint32_t depth = 5; depth-- > 0;) {
    const std::uint32_t index = hash & ((1U << depth) - 1);
    if (page == 0 && index != 0) continue;
    const memory::Shard& shard = index == 0
                                     ? world.descriptor().first
                                     : reinterpret_cast<memory::Shard*>(world.arena + page)[index];
    if (shard.depth.load() != 0) return shard.root.load();
  }
  return 0;
}

// The operation is what its name says.
void expect_it_comes_off(const DictOperation& operation) {
  const SharedBytes bytes(DictWorld::bytes_for(operation.chunks));
  (void)prepared(operation, bytes.span());
  DictWorld world(bytes.span(), operation.chunks);
  Dict dict = world.open();
  const int shards = static_cast<int>(shards_of(world));
  const std::uint64_t root = root_of(world, dict, operation.key);
  operation.victim(dict, world.victims[0]);
  EXPECT_EQ(static_cast<int>(shards_of(world)) - shards, operation.shards);
  EXPECT_EQ(root_of(world, dict, operation.key) != root, operation.rebuilds || root == 0);
}

// ---- recovery ----

// The images that a victim leaves which differ in more than the bytes of blocks: of those, so many,
// over all of the operation.
std::vector<std::vector<std::byte>> crash_images(const DictOperation& operation, std::size_t most) {
  Operation plain = as_operation(operation);
  std::set<std::uint64_t> kinds;
  std::vector<std::vector<std::byte>> images;
  plain.judge = [&](std::span<std::byte> bytes) {
    const DictWorld world(bytes, operation.chunks);
    std::uint64_t kind = memory::dict_hash(0, 0, bytes.data(), kPage);
    world.for_each_shard([&](const memory::Shard& shard) {
      kind = memory::dict_hash(kind, 0, &shard, sizeof shard);
    });
    if (kinds.insert(kind).second) images.emplace_back(bytes.begin(), bytes.end());
    return Verdict{};
  };
  (void)sweep_states(plain, DictWorld::bytes_for(operation.chunks));
  std::vector<std::vector<std::byte>> chosen;
  const std::size_t count = std::min(most, images.size());
  for (std::size_t i = 1; i <= count; ++i) {
    chosen.push_back(std::move(images[i * images.size() / count - 1]));
  }
  return chosen;
}

struct RecoverySweep {
  const DictOperation& operation;
  Operation judge;
  std::size_t instructions = 0;
  std::size_t states = 0;

  void sweep(const std::vector<std::byte>& image) {
    const SharedBytes shared(image.size());
    std::memcpy(shared.span().data(), image.data(), image.size());
    const Walk walk = walk_states(
        shared.span(),
        [&](std::span<std::byte> bytes) {
          return
              [world = std::make_shared<DictWorld>(bytes, operation.chunks)] { world->recover(0); };
        },
        Sleeps::kNever,
        [&](const Walk&, const Copy& state) {
          return judge.judge(Copy(state.span()).span()).violation;
        });
    instructions += walk.instructions;
    states += walk.states;
    EXPECT_EQ(walk.violation, "") << operation.name << ", and recovery stopped after "
                                  << instructions;
    EXPECT_TRUE(walk.ended || !walk.violation.empty()) << "no ptrace, or it does not end";
  }
};

// ---- two ----

inline constexpr std::uint32_t kPairChunks = 5;

struct TwoVictims {
  const char* name;
  std::function<void(Dict&, DictWorld&)> prepare;
  DictOperation first;
  DictOperation second;
};

std::vector<TwoVictims> pairs() {
  const auto contended = [](Dict& dict, DictWorld& world) {
    put_numbers(dict, world, 0, 40);
    (void)put_in(dict, world.survivor, "large", large('o'));
    contend(world);
  };
  const auto full = [](Dict& dict, DictWorld& world) { (void)fill_up(dict, world, 0); };
  const auto put = [](const char* key, const std::string& value) {
    return put_operation("", nullptr, key, value);
  };
  const auto erase = [](const char* key) { return erase_operation("", nullptr, key); };
  return {
      {"two first puts", [](Dict&, DictWorld&) {}, put("a", number_value(1)),
       put("b", text_value("b"))},
      {"two puts that need a new block", full, put("a", number_value(1)),
       put("b", text_value(std::string(50, 'b')))},
      {"two splits", contended, put("a", number_value(1)), put("b", number_value(2))},
      {"a split, and a large value replaced", contended, put("a", number_value(1)),
       put("large", large('n'))},
      {"a split, and a large value erased", contended, put("a", number_value(1)), erase("large")},
      {"a merge, and a put", nearly_merged, erase("a"), put("b", number_value(1))}};
}

// Both take turns as the seed says; both are killed, or one is, and the other goes on to its end.
std::string sweep_pair(const TwoVictims& pair, std::uint64_t seed) {
  DictOperation start;
  start.prepare = pair.prepare;
  start.chunks = kPairChunks;
  const SharedBytes shared(DictWorld::bytes_for(kPairChunks));
  const DictModel none = prepared(start, shared.span());
  const DictModel one = model_after(pair.first, none);
  const DictModel other = model_after(pair.second, none);
  const std::vector<DictModel> states = {none, one, other, model_after(pair.second, one)};
  const auto setup = [&](const DictOperation& operation, std::size_t at) -> Traced::Setup {
    return [&operation, &shared, at] {
      const auto world = std::make_shared<DictWorld>(shared.span(), kPairChunks);
      const auto dict =
          std::make_shared<Dict>(world->view, world->arena, world->geometry, &world->memory);
      return std::vector<Traced::Body>{[world, dict, &operation, at] {
        operation.victim(*dict, world->victims[at]);
        return 0;
      }};
    };
  };
  Traced first(1, setup(pair.first, 0));
  Traced second(1, setup(pair.second, 1));
  if (!first.ready() || !second.ready()) return "no ptrace";
  Traced* const victims[] = {&first, &second};
  bool over[] = {false, false};
  std::mt19937_64 draw(seed);
  const std::size_t steps = draw() % (std::size_t{500} << draw() % 6);
  std::size_t turn = draw() % 2;
  for (std::size_t i = 0; i < steps && !(over[0] && over[1]); ++i) {
    if (draw() % 64 == 0 || over[turn]) turn = 1 - turn;
    const Traced::Step step = victims[turn]->step();
    over[turn] = step == Traced::Step::kDone || step == Traced::Step::kGone;
    if (step == Traced::Step::kBlocked) turn = 1 - turn;
  }
  std::vector<std::size_t> dead = {0, 1};
  if (draw() % 2 == 0) std::swap(dead[0], dead[1]);
  victims[dead[0]]->kill_now();
  if (draw() % 2 == 0) {
    DictWorld(shared.span(), kPairChunks).recover(dead[0]);
    victims[dead[1]]->finish();
  } else {
    victims[dead[1]]->kill_now();
  }
  std::size_t seen = 0;
  return judge_dict(shared.span(), kPairChunks, states, dead, seen, kCallsAfterwards);
}

// ---- the tests ----

class DictSweep : public testing::TestWithParam<std::size_t> {};

TEST_P(DictSweep, LosesAndLeaksNothingWhereverItDies) {
  const DictOperation dict_operation = dict_operations()[GetParam()];
  expect_it_comes_off(dict_operation);
  const Operation operation = as_operation(dict_operation);
  const std::size_t bytes = DictWorld::bytes_for(dict_operation.chunks);
  SweepReport states;
  RecoverySweep recovery{.operation = dict_operation, .judge = operation};
  if (!dict_operation.is_long || everything()) {
    states = sweep_states(operation, bytes);
    EXPECT_GT(states.states, 0U);
    const std::size_t most = everything() ? 1000 : 3;
    for (const auto& image : crash_images(dict_operation, most)) recovery.sweep(image);
    EXPECT_GT(recovery.states, 0U);
  }
  const SweepReport kills = sweep_kills(operation, bytes, states.instructions);
  std::printf("%-42s %6zu instructions, %5zu states, recovery %6zu and %4zu, %4zu kills\n",
              operation.name.c_str(), kills.instructions, states.states, recovery.instructions,
              recovery.states, kills.kills);
  EXPECT_GT(kills.kills, 0U);
  for (const std::string& violation : states.violations) ADD_FAILURE() << violation;
  for (const std::string& violation : kills.violations) ADD_FAILURE() << violation;
}

INSTANTIATE_TEST_SUITE_P(Operations, DictSweep,
                         testing::Range(std::size_t{0}, dict_operations().size()));

class DictPair : public testing::TestWithParam<std::size_t> {};

TEST_P(DictPair, LosesAndLeaksNothingWhereverBothDie) {
  const TwoVictims pair = pairs()[GetParam()];
  const std::uint64_t seeds = everything() ? 2000 : 12;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    EXPECT_EQ(sweep_pair(pair, seed), "") << pair.name << ", seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, DictPair, testing::Range(std::size_t{0}, pairs().size()));

}  // namespace
}  // namespace shoal::test
