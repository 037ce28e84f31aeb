// One round: a scenario with fresh objects, workers that are killed and replaced, and a look at
// what is left. Everything that chance decides follows from the seed, but not when things happen.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <shoal/admin.h>
#include <shoal/client.h>

#include "tests/torture/board.h"

namespace shoal::torture {

// After so long somebody stands still.
inline constexpr auto kWatchdog = std::chrono::seconds(60);

struct Tally {
  std::uint64_t rounds = 0;
  std::uint64_t kills = 0;
  std::uint64_t stops = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Op::kCount)> kills_in = {};
};

// What the rounds are about.
enum class About { kSync, kContainers };
inline constexpr std::array<std::string_view, 2> kAboutNames = {"sync", "containers"};

struct RoundPlan {
  About about = About::kSync;
  std::uint64_t seed = 0;
  std::uint64_t kills = 200;
  bool hold = false;  // on a violation leave everything as it is, until killed
};

// The seed of a campaign's round.
std::uint64_t seed_of_round(std::uint64_t seed, std::uint64_t round);

// Adds to the tally. What was wrong, or nothing.
std::string play_round(const Client& client, const Admin& admin, Board& board,
                       const RoundPlan& plan, Tally& tally);

// What the memory of all objects takes of the host.
std::uint64_t memory_of(pid_t manager);
// When no round is under way: what has not come back of it, beside the bytes that were taken
// `before` and the arena's tables; or nothing. The manager takes its time.
std::string memory_left(pid_t manager, std::uint64_t before);

}  // namespace shoal::torture
