// See cell.h.
#include "memory/cell.h"

#include <algorithm>
#include <cstring>

#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Disturbed so often, somebody stores all the time: the value has changed, whatever it is.
constexpr int kRoundsOfComparing = 1000;

std::byte* buffer(const ObjectView& cell, std::uint64_t count) {
  return cell.bytes + (count & 1) * cell_buffer_bytes(cell.count);
}

std::uint64_t fill_buffer(const ObjectView& cell, std::uint64_t count,
                          std::span<const std::byte> value) {
  copy_in(buffer(cell, count), value.data(), value.size(), cell_buffer_bytes(value.size()));
  fence_stores();
  return count;
}

class Claim {
 public:
  Claim(const ObjectView& cell, Caller& caller) : cell_(cell), caller_(caller) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (taken_) give_claim_back(cell_, caller_);
  }

  Result take(Deadline deadline) {
    const Result result = claim_cell(cell_, caller_, deadline);
    taken_ = result == Result::kDone;
    return result;
  }

  // Makes the value current. Only for who has the claim.
  void publish(std::span<const std::byte> value) {
    Word64& count = cell_.descriptor->value;
    if (has_fault(Fault::kCellTornPublish)) {
      count.store(count.load(std::memory_order_relaxed) + 1);
      (void)fill_buffer(cell_, count.load(std::memory_order_relaxed), value);
      return;
    }
    const std::uint64_t next = fill_other_buffer(cell_, value);
    (void)count.exchange(next);
  }

 private:
  const ObjectView& cell_;
  Caller& caller_;
  bool taken_ = false;
};

// One-word cells are read whole, whatever their size.
bool differs(const ObjectView& cell, std::span<const std::byte> old) {
  if (is_one_word(cell.count)) {
    const std::uint64_t now = cell.descriptor->value.load(std::memory_order_seq_cst);
    return std::memcmp(&now, old.data(), std::min<std::size_t>(old.size(), sizeof now)) != 0;
  }
  // Compared in slices: a value may be large, and this allocates nothing.
  for (int round = 0; round < kRoundsOfComparing; ++round) {
    const std::uint64_t before = cell.descriptor->value.load(std::memory_order_seq_cst);
    bool same = true;
    for (std::size_t at = 0; at < old.size() && same; at += 64) {
      std::byte slice[64];
      const std::size_t bytes = std::min<std::size_t>(sizeof slice, old.size() - at);
      copy_out(slice, buffer(cell, before) + at, bytes);
      same = std::memcmp(slice, old.data() + at, bytes) == 0;
    }
    fence_loads();
    if (cell.descriptor->value.load(std::memory_order_seq_cst) == before) return !same;
  }
  return true;
}

}  // namespace

Result claim_cell(const ObjectView& cell, Caller& caller, Deadline deadline) {
  return wait_until(caller, cell, Purpose::kStore, deadline, [&] {
    std::uint32_t free = 0;
    return cell.descriptor->hint.load(std::memory_order_seq_cst) == 0 &&
           cell.descriptor->hint.change(free, caller.owner);
  });
}

void give_claim_back(const ObjectView& cell, Caller& caller) {
  std::uint32_t mine = caller.owner;
  if (cell.descriptor->hint.change(mine, 0)) announce(caller, cell);
}

std::uint64_t fill_other_buffer(const ObjectView& cell, std::span<const std::byte> value) {
  return fill_buffer(cell, cell.descriptor->value.load(std::memory_order_relaxed) + 1, value);
}

Result load_cell(const ObjectView& cell, std::int64_t timeout_ns, std::span<std::byte> value) {
  if (cell.is_stale()) return Result::kStale;
  for (Retries retries(timeout_ns);;) {
    const std::uint64_t before = cell.descriptor->value.load();
    copy_out(value.data(), buffer(cell, before), value.size());
    fence_loads();
    if (cell.descriptor->value.load(std::memory_order_relaxed) == before) return Result::kDone;
    if (const Result result = retries.again(cell); result != Result::kDone) return result;
  }
}

Result store_cell(const ObjectView& cell, Caller& caller, Deadline deadline,
                  std::span<const std::byte> value) {
  Claim claim(cell, caller);
  const Result result = claim.take(deadline);
  if (result == Result::kDone) claim.publish(value);
  return result;
}

Result exchange_cell(const ObjectView& cell, Caller& caller, Deadline deadline,
                     std::span<std::byte> expected, std::span<const std::byte> desired) {
  Claim claim(cell, caller);
  Result result = claim.take(deadline);
  if (result != Result::kDone) return result;
  if (differs(cell, expected)) {
    result = load_cell(cell, kReadPatienceNs, expected);
    return result == Result::kDone ? Result::kDiffers : result;
  }
  claim.publish(desired);
  return Result::kDone;
}

Result wait_for_change(const ObjectView& cell, Caller& caller, Deadline deadline,
                       std::span<const std::byte> old) {
  return wait_until(caller, cell, Purpose::kChange, deadline, [&] { return differs(cell, old); });
}

Result poll_for_change(const ObjectView& cell, Deadline deadline, std::span<const std::byte> old) {
  return poll_until(cell, deadline, [&] { return differs(cell, old); });
}

Result notify_cell(const ObjectView& cell, Caller& caller) {
  if (cell.is_stale()) return Result::kStale;
  // The change before this may have been a plain store.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  announce(caller, cell);
  return Result::kDone;
}

void recover_cell(const ObjectView& cell, std::uint16_t slot) {
  std::uint32_t seen = cell.descriptor->hint.load(std::memory_order_seq_cst);
  if (is_one_word(cell.count) || slot_of_owner(seen) != slot) return;
  if (cell.descriptor->hint.change(seen, 0)) cell.descriptor->recoveries.add(1);
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
