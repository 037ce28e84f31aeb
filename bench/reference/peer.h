// The other process of a row in which two work at once: forked, pinned to the second core, told
// through shared memory when to work. It ends with this object, or with this process. Knows nothing
// of shoal.
//
// Fork it before this process opens anything that the peer must not inherit: a peer that is a
// client of something connects by itself, in `make`, once begin() has told it where to.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace reference {

// What both map. Every word that both write has a line, and the one beside it, of its own.
struct PeerPage {
  static constexpr std::size_t kTextBytes = 512;

  alignas(128) std::atomic<std::uint32_t> order{0};  // which run is wanted; a futex
  std::atomic<std::uint64_t> rounds{0};
  alignas(128) std::atomic<std::uint32_t> started{0};  // the run that the peer is in
  std::atomic<std::uint32_t> done{0};                  // the last that it ended
  std::atomic<std::uint32_t> asleep{0};
  std::atomic<std::uint64_t> sum{0};
  // For the row: plain data under whatever it measures, and words to spin on.
  alignas(128) std::uint64_t counter = 0;
  std::uint64_t target = 0;
  std::uint64_t paused_ns = 0;
  alignas(128) std::atomic<std::uint32_t> there{0};  // main writes
  alignas(128) std::atomic<std::uint32_t> back{0};   // the peer writes
  alignas(128) char text[kTextBytes] = {};
};

class Peer {
 public:
  // Does a number of rounds; the sum of their results.
  using Work = std::function<std::uint64_t(std::uint64_t rounds)>;
  // Called once in the peer. `text` is what begin() was given.
  using Make = std::function<Work(PeerPage& page, const char* text)>;

  explicit Peer(Make make);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  [[nodiscard]] PeerPage& page() const { return *page_; }

  // Lets the peer make what it works with; returns when it has.
  void begin(const std::string& text = {});

  // Both work at once, `own` in this process: both sums together.
  template <typename Own>
  std::uint64_t run(std::uint64_t rounds, Own own) {
    start(rounds);
    const std::uint64_t sum = own(rounds);
    return sum + finish();
  }

 private:
  void start(std::uint64_t rounds);
  std::uint64_t finish();
  void await(const std::atomic<std::uint32_t>& word);

  PeerPage* page_;
  pid_t pid_ = -1;
  std::uint32_t order_ = 0;
};

}  // namespace reference
