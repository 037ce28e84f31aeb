// The sides of the dict/ rows in which two processes use one dict, made of any dict. Knows nothing
// of shoal.
//
// A pair of processes that have a dict open has
//   using Dict                            cheap to copy
//   Pair(std::size_t entries, Make make)  forks the peer, which will call make(page, dict)
//   Dict dict()                           this process's
//   Peer& peer()
//   void begin()                          lets the peer open the dict, once it is filled
#pragma once

#include <memory>
#include <utility>

#include "reference/dict_walk.h"
#include "reference/peer.h"

namespace reference {

struct Duties {
  enum class Own { kGet, kUpdate };
  enum class Other { kNothing, kTheSame, kUpdateAllTheTime };
  Own own;
  Other other;
};

// The peer's part of a run. Its `there` is set when it shall stop updating.
template <typename Dict>
Peer::Work pair_work(PeerPage& page, std::shared_ptr<DictWalk<Dict>> walk, Duties duties) {
  if (duties.other == Duties::Other::kUpdateAllTheTime) {
    return [&page, walk](std::uint64_t) {
      const auto stop = [&page] { return page.there.load(std::memory_order_relaxed) != 0; };
      while (!stop()) walk->update(1, stop);
      return std::uint64_t{0};
    };
  }
  return [walk, duties](std::uint64_t rounds) {
    return duties.own == Duties::Own::kGet ? walk->get(rounds) : walk->update(rounds);
  };
}

// Time is for one operation of this process, which begins and ends together with its peer.
template <typename Pair>
class PairSide final : public Side {
 public:
  PairSide(Duties duties, std::size_t entries)
      : duties_(duties),
        pair_(entries,
              [=](PeerPage& page, typename Pair::Dict dict) {
                auto walk = std::make_shared<Walk>(entries, kShortDictRound, std::move(dict));
                walk->start_at(entries / 2);
                return pair_work(page, std::move(walk), duties);
              }),
        walk_(entries, kShortDictRound, pair_.dict()) {
    if (updates()) {
      walk_.fill_to_be_updated();
    } else {
      walk_.fill();
    }
    pair_.begin();
  }

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t own_sum = 0;
    const auto own = [&](std::uint64_t) {
      own_sum = updates() ? walk_.update(rounds) : walk_.get(rounds);
      pair_.peer().page().there.store(1, std::memory_order_relaxed);
      return std::uint64_t{0};
    };
    if (duties_.other == Duties::Other::kNothing) {
      own(rounds);
      return own_sum;
    }
    pair_.peer().page().there.store(0, std::memory_order_relaxed);
    const std::uint64_t other_sum = pair_.peer().run(rounds, own);
    if (duties_.other == Duties::Other::kTheSame && other_sum != own_sum) {
      give_up("dict", "two processes had different results");
    }
    return own_sum;
  }

  std::uint64_t digest() override {
    if (updates()) walk_.end_pass([this](std::uint64_t rounds) { walk_.update(rounds); });
    return walk_.fold_all();
  }

 private:
  using Walk = DictWalk<typename Pair::Dict>;

  [[nodiscard]] bool updates() const { return duties_.own == Duties::Own::kUpdate; }

  Duties duties_;
  Pair pair_;
  Walk walk_;
};

}  // namespace reference
