// See containers.h.
#include "tests/torture/containers.h"

#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

class Containers : public Scenario {
 public:
  explicit Containers(const Client& client) {
    parts_.push_back(make_keys(client));
    parts_.push_back(make_accounts(client));
    parts_.push_back(make_lists(client));
    parts_.push_back(make_nest(client));
  }

  [[nodiscard]] std::string_view name() const override { return "containers"; }
  [[nodiscard]] std::size_t seats() const override { return kContainerSeats; }
  [[nodiscard]] bool live_alone(const std::vector<bool>&) const override { return true; }

  void begin(Worker& worker) override {
    for (const auto& part : parts_) part->begin(worker);
  }
  void step(Worker& worker) override {
    // The nest asks the manager most of the time, so it has few of the steps.
    const std::uint64_t chance = worker.below(100);
    parts_[chance < 50   ? kKeys
           : chance < 70 ? kAccounts
           : chance < 99 ? kLists
                         : kNest]
        ->step(worker);
    worker.step();
  }
  std::string final_state(const Board& board,
                          const std::vector<std::uint64_t>& killed_in) override {
    for (const auto& part : parts_) {
      if (std::string wrong = part->final_state(board, killed_in); !wrong.empty()) return wrong;
    }
    return {};
  }

 private:
  enum Part : std::size_t { kKeys, kAccounts, kLists, kNest };
  std::vector<std::unique_ptr<ContainerPart>> parts_;
};

}  // namespace

std::unique_ptr<Scenario> make_containers(const Client& client) {
  return std::make_unique<Containers>(client);
}

}  // namespace shoal::torture
