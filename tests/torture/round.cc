// See round.h.
#include "tests/torture/round.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLook = std::chrono::microseconds(20);

std::unique_ptr<Scenario> scenario_of(About about, std::uint64_t seed, const Client& client) {
  if (about == About::kContainers) return make_containers(client);
  switch (seed % 8) {
    case 0:
      return make_cell_turns(client);
    case 1:
      return make_event_turns(client);
    case 2:
    case 3:
      return make_handover(client);
    case 4:
      return make_meeting(client);
    default:
      return make_mixture(client);
  }
}

class Round {
 public:
  Round(const Client& client, const Admin& admin, Board& board, const RoundPlan& plan, Tally& tally)
      : admin_(admin),
        board_(board),
        plan_(plan),
        tally_(tally),
        objects_(admin.manager()->objects),
        scenario_(scenario_of(plan.about, plan.seed >> 8, client)),
        chance_(board, 0, plan.seed),
        pids_(scenario_->seats(), -1) {}

  std::string play() {
    board_.clear();
    sessions_ = admin_.manager()->sessions;
    for (std::size_t seat = 0; seat < pids_.size(); ++seat) spawn(seat);
    std::string wrong = all_get_on(everybody());
    while (wrong.empty() && killed_ < plan_.kills) wrong = kill_some();
    if (wrong.empty()) wrong = end();
    const std::string name(scenario_->name());
    if (wrong.empty()) wrong = let_go();
    if (!wrong.empty()) {
      wrong = name + ": " + wrong + '\n' + state();
      if (plan_.hold) {
        std::cerr << wrong << "held; pid " << ::getpid() << std::endl;
        ::pause();
      }
    }
    for (std::size_t seat = 0; seat < pids_.size(); ++seat) kill_one(seat, /*counts=*/false);
    return wrong;
  }

 private:
  std::vector<std::size_t> everybody() const {
    std::vector<std::size_t> seats;
    for (std::size_t seat = 0; seat < pids_.size(); ++seat) {
      if (pids_[seat] > 0) seats.push_back(seat);
    }
    return seats;
  }

  void spawn(std::size_t seat) {
    Seat& place = board_.seats[seat];
    place.incarnation.fetch_add(1);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      Worker worker(board_, seat, plan_.seed);
      scenario_->begin(worker);
      // Between two steps others get their turn: there are more workers than cores, and until the
      // next tick all of them would wait for the one that all must have got on without.
      for (;; ::sched_yield()) scenario_->step(worker);
    }
    if (pid < 0) board_.report("fork failed");
    pids_[seat] = pid;
  }

  void kill_one(std::size_t seat, bool counts) {
    if (pids_[seat] <= 0) return;
    Seat& place = board_.seats[seat];
    place.doomed.store(place.incarnation.load());
    ::kill(pids_[seat], SIGKILL);
    int status = 0;
    ::waitpid(pids_[seat], &status, 0);
    pids_[seat] = -1;
    if (!counts) return;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      board_.report("a worker ended by itself, with status " + std::to_string(status));
    }
    const auto op = static_cast<std::size_t>(place.op.exchange(Op::kNone));
    if (op < killed_in_.size()) ++killed_in_[op];
    if (op < tally_.kills_in.size()) ++tally_.kills_in[op];
    ++killed_;
    ++tally_.kills;
  }

  // Rather one that is in the middle of a call than one that waits for its turn.
  std::size_t draw_victim() {
    std::size_t seat = 0;
    for (int draws = 0; draws < 4; ++draws) {
      seat = chance_.below(pids_.size());
      if (board_.seats[seat].op.load() != Op::kNone) break;
    }
    return seat;
  }

  // A burst of deaths, perhaps with another worker stopped meanwhile; then all others must get on.
  std::string kill_some() {
    std::this_thread::sleep_for(std::chrono::microseconds(chance_.below(400)));
    std::size_t stopped = pids_.size();
    if (chance_.below(4) == 0) {
      stopped = chance_.below(pids_.size());
      ::kill(pids_[stopped], SIGSTOP);
      ++tally_.stops;
      std::this_thread::sleep_for(std::chrono::microseconds(chance_.below(1500)));
    }
    const std::uint64_t most = chance_.below(3) == 0 ? pids_.size() : 1;
    const std::uint64_t victims = 1 + chance_.below(most);
    std::vector<std::size_t> dead;
    for (std::uint64_t i = 0; i < victims; ++i) {
      const std::size_t seat = draw_victim();
      if (pids_[seat] > 0) dead.push_back(seat);
      kill_one(seat, /*counts=*/true);
    }
    if (stopped < pids_.size() && pids_[stopped] > 0) ::kill(pids_[stopped], SIGCONT);
    std::string wrong = scenario_->mend();
    std::vector<bool> alive(pids_.size());
    for (const std::size_t seat : everybody()) alive[seat] = true;
    if (wrong.empty() && chance_.below(2) == 0 && !everybody().empty() &&
        scenario_->live_alone(alive)) {
      wrong = all_get_on(everybody());
      if (!wrong.empty()) wrong += ", without the dead";
    }
    if (!wrong.empty()) return wrong;
    for (const std::size_t seat : dead) spawn(seat);
    return all_get_on(everybody());
  }

  // Every one of them completes two steps that it had not completed by now, with nobody dying.
  std::string all_get_on(const std::vector<std::size_t>& seats) {
    std::vector<std::uint64_t> before(pids_.size());
    for (const std::size_t seat : seats) before[seat] = scenario_->progress(board_, seat);
    const auto deadline = Clock::now() + kWatchdog;
    for (const std::size_t seat : seats) {
      while (scenario_->progress(board_, seat) < before[seat] + 2) {
        if (board_.violated.load()) return board_.violation.data();
        if (Clock::now() > deadline) return "seat " + std::to_string(seat) + " stands still";
        std::this_thread::sleep_for(kLook);
      }
    }
    return board_.violated.load() ? board_.violation.data() : "";
  }

  // All die; once the manager has seen to it, nothing of theirs may be left.
  std::string end() {
    for (std::size_t seat = 0; seat < pids_.size(); ++seat) kill_one(seat, /*counts=*/true);
    if (board_.violated.load()) return board_.violation.data();
    const auto deadline = Clock::now() + kWatchdog;
    for (;;) {
      const auto manager = admin_.manager();
      if (!manager.ok()) return "the manager: " + manager.status().ToString();
      if (manager->sessions <= sessions_) break;
      if (Clock::now() > deadline) return "sessions of the dead are left";
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return scenario_->final_state(board_, killed_in_);
  }

  // The objects go; those that only a container knew go with it, once that has been found out.
  std::string let_go() {
    scenario_.reset();
    const auto deadline = Clock::now() + kWatchdog;
    for (;;) {
      const auto manager = admin_.manager();
      if (!manager.ok()) return "the manager: " + manager.status().ToString();
      if (manager->objects <= objects_) return {};
      if (Clock::now() > deadline) {
        return std::to_string(manager->objects - objects_) + " objects are left";
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::string state() const {
    std::string text;
    for (std::size_t seat = 0; seat < pids_.size(); ++seat) {
      const auto op = static_cast<std::size_t>(board_.seats[seat].op.load());
      text += "  seat " + std::to_string(seat) + ": pid " + std::to_string(pids_[seat]) + ", in " +
              std::string(kOpNames[op]) + ", steps " +
              std::to_string(board_.seats[seat].steps.load());
      std::ifstream call("/proc/" + std::to_string(pids_[seat]) + "/syscall");
      std::string line;
      if (std::getline(call, line)) text += ", system call " + line;
      text += '\n';
    }
    return text;
  }

  const Admin& admin_;
  Board& board_;
  const RoundPlan& plan_;
  Tally& tally_;
  std::uint32_t objects_;  // that there were before
  std::unique_ptr<Scenario> scenario_;
  Worker chance_;  // only for its numbers
  std::vector<pid_t> pids_;
  std::vector<std::uint64_t> killed_in_ =
      std::vector<std::uint64_t>(static_cast<std::size_t>(Op::kCount));
  std::uint64_t killed_ = 0;
  std::uint32_t sessions_ = 0;
};

}  // namespace

std::uint64_t seed_of_round(std::uint64_t seed, std::uint64_t round) {
  std::uint64_t z = seed * 0x9e3779b97f4a7c15U + round;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

std::uint64_t memory_of(pid_t manager) {
  std::set<ino_t> seen;  // what is just being sent to a client is open twice
  std::uint64_t bytes = 0;
  std::error_code ignored;
  const std::string folder = "/proc/" + std::to_string(manager) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    constexpr std::uint64_t kBlockBytes = 512;
    struct stat status {};
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored);
    if (target.rfind("/memfd:", 0) != 0 || ::stat(entry.path().c_str(), &status) != 0) continue;
    if (seen.insert(status.st_ino).second) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
    }
  }
  return bytes;
}

std::string memory_left(pid_t manager, std::uint64_t before) {
  constexpr std::uint64_t kTables = std::uint64_t{1} << 20;  // of the arena, which stay
  const auto deadline = Clock::now() + kWatchdog;
  for (;;) {
    const std::uint64_t now = memory_of(manager);
    if (now <= before + kTables) return {};
    if (Clock::now() > deadline) return std::to_string(now - before) + " bytes are left\n";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string play_round(const Client& client, const Admin& admin, Board& board,
                       const RoundPlan& plan, Tally& tally) {
  Round round(client, admin, board, plan, tally);
  std::string wrong = round.play();
  ++tally.rounds;
  return wrong;
}

}  // namespace shoal::torture
