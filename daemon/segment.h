// The memory of one segment object: a sealed memfd, and the store that makes, lends, seals and
// re-uses them. Knows no names, sessions or quotas; the caller has asked the gauge first.
//
// Invariants:
//  1. Descriptors lent out are open file descriptions of their own, never duplicates of the
//     memfd's. Only so can the kernel say whether anybody else still has the memory (`alone`).
//  2. A segment is re-used only if nobody else has it open or mapped, at the same size, and for the
//     only uid that it was ever made for: `alone` does not see an O_PATH descriptor or pages that
//     the kernel pinned for a process (io_uring buffers), and those stay within one uid that way.
//  3. SHRINK and GROW are sealed before a descriptor leaves: no mapping can lose its pages.
//
// What if the manager dies here? A memfd without an open descriptor or mapping is freed by the
// kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "schemas/unique_fd.h"

namespace shoal::daemon {

struct SegmentSpec {
  std::uint64_t size = 0;  // bytes, exact
  bool sealable = false;   // seal() will be possible
  bool sparse = false;     // memory is not committed now
  bool huge_pages = false;
  int numa_node = -1;  // -1: any
  uid_t uid = 0;       // of the creator
  // What /proc calls it. Tools find session pages by theirs (client/inspect.cc).
  const char* name = "shoal-segment";
};

class Segment {
 public:
  Segment() = default;
  Segment(const SegmentSpec& spec, protocol::UniqueFd memfd, std::uint32_t page_size);

  [[nodiscard]] int fd() const { return memfd_.get(); }  // for the manager only, see invariant 1
  [[nodiscard]] bool valid() const { return memfd_.valid(); }
  [[nodiscard]] std::uint64_t size() const { return spec_.size; }
  [[nodiscard]] std::uint64_t map_size() const;
  [[nodiscard]] std::uint32_t page_size() const { return page_size_; }
  // All pages were committed when it was made, none of them by the first touch.
  [[nodiscard]] bool resident() const { return !spec_.sparse; }
  // Asked of the kernel, since a writer may seal a sealable segment himself.
  [[nodiscard]] bool sealed() const;
  // Bytes of memory it has now; less than map_size() if sparse, or if a writer punched holes.
  [[nodiscard]] std::uint64_t committed() const;
  [[nodiscard]] const SegmentSpec& spec() const { return spec_; }
  // Why huge pages that were asked for were not given; else empty.
  [[nodiscard]] const std::string& huge_pages_refused() const { return huge_pages_refused_; }
  void set_huge_pages_refused(std::string why) { huge_pages_refused_ = std::move(why); }

  // Somebody of this uid gets at its bytes.
  void given_to(uid_t uid) { given_to_others_ |= uid != spec_.uid; }
  // Could it be re-used, as far as its kind and its users go?
  [[nodiscard]] bool ordinary() const;
  // Does nobody but the manager have it open or mapped? False also where the kernel cannot tell.
  // Keeps the descriptor that the test needed; see take_spare().
  [[nodiscard]] bool alone();
  // The descriptor of the last alone(), open for reading and writing; or none.
  [[nodiscard]] protocol::UniqueFd take_spare() const { return std::move(spare_); }

 private:
  SegmentSpec spec_;
  std::uint32_t page_size_ = 0;
  protocol::UniqueFd memfd_;
  mutable protocol::UniqueFd spare_;
  bool given_to_others_ = false;
  std::string huge_pages_refused_;
};

// A new open file description of the memfd `fd`.
absl::StatusOr<protocol::UniqueFd> reopen(int fd, bool writable);

// Makes a segment from nothing. RESOURCE_EXHAUSTED: no memory or descriptors, and none was kept.
// INVALID_ARGUMENT: size 0 or over the limit, a NUMA node that is not there.
absl::StatusOr<Segment> make_segment(const SegmentSpec& spec);

// Does the test of Segment::alone() work on this kernel, with descriptors and with mappings?
bool leases_tell_holders();

class WarmPool;

class SegmentStore {
 public:
  // Keeps at most `warm_max` bytes of freed segments; none where the kernel cannot tell holders.
  explicit SegmentStore(std::uint64_t warm_max);
  ~SegmentStore();
  SegmentStore(const SegmentStore&) = delete;
  SegmentStore& operator=(const SegmentStore&) = delete;

  // A zeroed segment: a warm one, else a new one (see make_segment).
  absl::StatusOr<Segment> create(const SegmentSpec& spec);
  // The first half of create(): takes no memory that is not committed already, so it needs no
  // admission by the gauge.
  std::optional<Segment> reuse(const SegmentSpec& spec);

  // What to send to a client. FAILED_PRECONDITION: `writable`, but sealed.
  absl::StatusOr<protocol::UniqueFd> descriptor(const Segment& segment, bool writable);

  // Makes the bytes final for everyone; OK if they are already. FAILED_PRECONDITION: not sealable,
  // or somebody has it mapped for writing.
  absl::Status seal(Segment& segment);

  // Takes back a segment without names and references: kept to be re-used, or closed. Whoever
  // still has it mapped keeps its pages.
  void retire(Segment segment);

  // Zeroes a slice of what was retired; true if there is more to do. For idle moments.
  bool launder();
  // Frees at least that much of what is kept warm, or all; true if any was freed.
  bool drop_warm(std::uint64_t bytes_needed);
  [[nodiscard]] std::uint64_t warm_bytes() const;
  [[nodiscard]] std::uint64_t warm_max() const { return warm_max_; }

 private:
  std::uint64_t warm_max_;
  std::unique_ptr<WarmPool> warm_;
};

}  // namespace shoal::daemon
