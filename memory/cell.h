// Cell: one value. Of 1, 2, 4 or 8 bytes it lies in the descriptor's value word, and its users work
// on it with plain atomics. Any other size has two buffers, and the value word counts stores:
// buffer `count & 1` is the current one.
//
//  store: take the claim (the descriptor's `hint`, {owner 30}); fill the other buffer; add one to
//         the count; give the claim back.
//  load:  the count; copy that buffer; the count again; retry if it has moved.
//
// Invariant: the current buffer is never written; the other one only by who has the claim.
//
// What if a process dies here? Before the count: the old value. After: the new. Recovery gives the
// claim back and announces.
#pragma once

#include <span>

#include "memory/wait.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

constexpr bool is_one_word(std::uint64_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

// Bytes that a value needs beside the descriptor's value word: two buffers, each whole words.
constexpr std::uint64_t cell_buffer_bytes(std::uint64_t value_bytes) {
  return (value_bytes + 7) / 8 * 8;
}

// `value` has the size of the cell's, in all of these. The caller's deadline is for another
// writer's claim.
// What a store is made of, for transactions, too. Who has the claim fills the buffer that is not
// current; the count that is returned makes it so, stored in the value word.
Result claim_cell(const ObjectView& cell, Caller& caller, Deadline deadline);
void give_claim_back(const ObjectView& cell, Caller& caller);
std::uint64_t fill_other_buffer(const ObjectView& cell, std::span<const std::byte> value);

Result load_cell(const ObjectView& cell, std::int64_t timeout_ns, std::span<std::byte> value);
Result store_cell(const ObjectView& cell, Caller& caller, Deadline deadline,
                  std::span<const std::byte> value);
// kDiffers: `expected` becomes what was found.
Result exchange_cell(const ObjectView& cell, Caller& caller, Deadline deadline,
                     std::span<std::byte> expected, std::span<const std::byte> desired);

// Until the bytes are not `old`, told by `notify_cell`. Also of one-word cells.
Result wait_for_change(const ObjectView& cell, Caller& caller, Deadline deadline,
                       std::span<const std::byte> old);
Result poll_for_change(const ObjectView& cell, Deadline deadline, std::span<const std::byte> old);
Result notify_cell(const ObjectView& cell, Caller& caller);

void recover_cell(const ObjectView& cell, std::uint16_t slot);

SHOAL_VARIANT_END

}  // namespace shoal::memory
