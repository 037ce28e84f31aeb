// shoal_torture: processes that work on everything at once, killed and stopped at random, with
// witnesses that no two were in at once, no permit got lost, and nobody slept through a wake-up.
//
//   shoal_torture [--about sync|containers] [--seconds N] [--kills N] [--seed S] [--replay SEED]
//                 [--hold] [--campaign FILE --commit C --preset P [--until KILLS]]
//
// Plays round after round until the seconds or the kills are reached (15 s by default), each with a
// seed of its own, which --replay repeats. Prints the sum as JSON. Exit status 1: a violation.
// A campaign's file has the figures after every round, so a sitting may be ended at any time, and
// the next one goes on: --until counts the kills of all sittings.
#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <shoal/shoal.h>

#include "tests/torture/campaign.h"
#include "tests/torture/round.h"

namespace shoal::torture {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  double seconds = 0;
  std::uint64_t kills = 0;
  std::uint64_t until = 0;
  About about = About::kSync;
  std::uint64_t seed = 0;
  std::uint64_t replay = 0;
  bool replays = false;
  bool hold = false;
  std::string campaign;
  std::string commit;
  std::string preset;
};

bool parse_about(std::string_view name, About& about) {
  const auto* const found = std::find(kAboutNames.begin(), kAboutNames.end(), name);
  about = static_cast<About>(found - kAboutNames.begin());
  return found != kAboutNames.end();
}

bool parse(int argc, char** argv, Flags& flags) {
  const option options[] = {{"seconds", required_argument, nullptr, 's'},
                            {"kills", required_argument, nullptr, 'k'},
                            {"until", required_argument, nullptr, 'u'},
                            {"about", required_argument, nullptr, 'a'},
                            {"seed", required_argument, nullptr, 'S'},
                            {"replay", required_argument, nullptr, 'r'},
                            {"hold", no_argument, nullptr, 'h'},
                            {"campaign", required_argument, nullptr, 'c'},
                            {"commit", required_argument, nullptr, 'C'},
                            {"preset", required_argument, nullptr, 'p'},
                            {nullptr, 0, nullptr, 0}};
  bool has_seed = false;
  for (int which = 0; (which = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    char* end = nullptr;
    const auto number = [&] { return std::strtoull(optarg, &end, 10); };
    switch (which) {
      case 's':
        flags.seconds = std::strtod(optarg, &end);
        break;
      case 'k':
        flags.kills = number();
        break;
      case 'u':
        flags.until = number();
        break;
      case 'a':
        if (!parse_about(optarg, flags.about)) return false;
        break;
      case 'S':
        flags.seed = number();
        has_seed = true;
        break;
      case 'r':
        flags.replay = number();
        flags.replays = true;
        break;
      case 'h':
        flags.hold = true;
        break;
      case 'c':
        flags.campaign = optarg;
        break;
      case 'C':
        flags.commit = optarg;
        break;
      case 'p':
        flags.preset = optarg;
        break;
      default:
        return false;
    }
    if (end != nullptr && *end != '\0') return false;
  }
  if (optind != argc) return false;
  if (flags.seconds == 0 && flags.kills == 0 && flags.until == 0) flags.seconds = 15;
  // A campaign goes on where the last sitting ended; else every run is another.
  if (!has_seed) flags.seed = flags.campaign.empty() ? std::random_device()() : 1;
  return true;
}

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool is_over(const Flags& flags, const Campaign& campaign, const Tally& tally, double seconds) {
  if (flags.seconds > 0 && seconds >= flags.seconds) return true;
  if (flags.kills > 0 && tally.kills >= flags.kills) return true;
  return flags.until > 0 && campaign.kills_before() + tally.kills >= flags.until;
}

int run(const Flags& flags) {
  // What is freed is given back to the host, so that it can be seen to be.
  auto manager = Manager::start({.flags = {"--warm-bytes=0"}, .log_file = flags.hold ? "-" : ""});
  if (!manager.ok()) {
    std::cerr << manager.status() << '\n';
    return 1;
  }
  // As patient as the rounds: a machine with other work may leave the manager without a processor
  // for longer than a user would wait.
  const auto client = manager->connect({.label = "torture",
                                        .control_timeout = absl::FromChrono(kWatchdog),
                                        .op_timeout = absl::FromChrono(kWatchdog)});
  const auto observer = Client::connect_for_administration({.socket = manager->socket()});
  if (!client.ok() || !observer.ok()) {
    std::cerr << client.status() << ' ' << observer.status() << '\n';
    return 1;
  }
  const Admin admin(*observer);
  Board& board = *Board::make();
  Campaign campaign(flags.campaign,
                    {std::string(kAboutNames[static_cast<std::size_t>(flags.about)]), flags.commit,
                     flags.preset, flags.seed});
  const std::uint64_t memory_before = memory_of(manager->pid());

  Tally tally;
  std::vector<std::uint64_t> failed;
  const auto begin = Clock::now();
  double said = 0;
  RoundPlan plan{.about = flags.about, .hold = flags.hold};
  const auto judge = [&](const std::string& wrong) {
    if (wrong.empty()) return;
    std::cerr << "violation: " << wrong << "repeat it with --replay " << plan.seed << std::endl;
    failed.push_back(plan.seed);
  };
  for (std::uint64_t number = campaign.next_round();
       failed.empty() && !is_over(flags, campaign, tally, since(begin)); ++number) {
    plan.seed = flags.replays ? flags.replay : seed_of_round(flags.seed, number);
    judge(play_round(*client, admin, board, plan, tally));
    if (flags.replays) break;
    campaign.write(tally, since(begin), failed);
    if (since(begin) >= said + 10) {
      said = since(begin);
      std::cerr << static_cast<long>(said) << " s, " << tally.rounds << " rounds, " << tally.kills
                << " kills" << std::endl;
    }
  }
  if (failed.empty()) judge(memory_left(manager->pid(), memory_before));
  campaign.write(tally, since(begin), failed);
  std::cout << campaign.sitting().dump(2) << '\n';
  return failed.empty() ? 0 : 1;
}

}  // namespace
}  // namespace shoal::torture

int main(int argc, char** argv) {
  shoal::torture::Flags flags;
  if (!shoal::torture::parse(argc, argv, flags)) {
    std::cerr << "usage: shoal_torture [--about sync|containers] [--seconds N] [--kills N] "
                 "[--seed S] [--replay SEED] [--hold] "
                 "[--campaign FILE --commit C --preset P [--until KILLS]]\n";
    return 2;
  }
  return shoal::torture::run(flags);
}
