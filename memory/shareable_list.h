// ShareableList on a mapped span of bytes: format, attach, get, set, and what to do when a process
// has died. The bytes are in list_layout.h. It knows no names, no sockets, no manager: the caller
// maps the bytes, keeps them mapped, and gives the 16-bit slot that names this process as an owner.
//
// Threads and processes: any number may call anything at once, through any number of mappings.
// get never waits, writes nothing and needs only PROT_READ. set waits while another writer holds
// the shadow word, at most `timeout`; a stopped writer is waited for, never robbed.
//
// The shadow word goes   idle(s) -> claimed(me, s+1) -> published(me, s+1) -> idle(s+1)
//
//  set, by the record:  claim; fill the shadow record; publish; copy into the element; release.
//  set, in place:       claim; one aligned 8-byte store; release. Only where format and code stay
//                       what they are, for int and double, and the tail word is 0.
//  get:  load the word; read from the record if it is published for this element, else from the
//        element; load the word again; accept or retry.
//
// Invariants
//  1. Only the process that brought the word from idle to claimed writes the record, and only while
//     it is claimed. From publish to the next claim the record does not change.
//  2. An element is copied into only in published, only the element that the record names, by the
//     owner in the word. In claimed, at most one aligned 8-byte word of one element changes.
//  3. States of one sequence number come in the order claimed, published, idle; the owner in
//     published may become 0 (dead) and then another. No word value ever comes back, but for
//     published(0, s), within which record and all other elements stand still.
//  4. The linearization point of a set is its publish, or in place its 8-byte store.
//
// Why no torn element is returned. Let the word be w1 before and w2 after the copy. Fences make
// sure that whoever has seen a byte written after a change of the word also sees that change in w2.
//  - From the record (w1 = published(s)): it is whole unless s+1 was claimed (1), so equal sequence
//    numbers suffice. A dead owner, a take-over, or idle(s) in w2 do no harm.
//  - From the element, w1 = idle(s), or published(s) for another element: nobody copies into this
//    element before published(s+1) (2). So w2 of sequence s, or claimed(s+1), is good: at most
//    the in-place store of s+1 fell into the copy, and one aligned word is old or new.
//  - From the element, w1 = claimed(s): only w2 = w1 is good, else published(s) may have passed.
//  The index in the record is loaded with acquire: a reader that sees the index of s+1 sees all of
//  the copy of s. Parse errors count only once the word has been checked.
// Progress: a reader retries only if another writer finished a set meanwhile, so the system as a
// whole moves on; a killed or stopped writer leaves the word still, and then one round suffices.
//
// What if a process dies here? (names as in shareable_list_write.cc; orphan() runs once its death
// is known, and until then readers see the same as afterwards)
//  kClaimed         word claimed, record partly filled: old value. orphan: idle.
//  kInPlace         between the store and the release: new value, whole. orphan: idle.
//  kPublished       record whole, element partly copied: readers take the record, new value.
//                   orphan: published(0); the next writer takes it over and finishes the copy.
//  kCopied          the same; the copy is done again.
//  kTakenOver       the finisher dies: published(finisher) -> published(0) again, nothing lost.
//  kOrphaning       orphan() is one compare-and-swap: done or to be done again.
// Nobody finishes the work of a live owner: its copy, going on late, would overwrite a later set.
//
// Trust: every byte is hostile. Cached are only facts checked at attach that keep all accesses
// inside the mapping; offsets, formats, codes, tails, record are loaded once per call and checked.
// A list without a trailer (born in Python's stdlib) is read and written the stdlib's way: not
// atomic, lengths without trailing NULs. So is any list while a stdlib process writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "memory/list_layout.h"
#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"
#include "memory/word.h"
#include "shoal/value.h"

namespace shoal::memory {
SHOAL_VARIANT_BEGIN

// The size of a list of `values` with its trailer. INVALID_ARGUMENT: a kind that a list cannot
// hold, a string that is not UTF-8. OUT_OF_RANGE: too many, or a text over kListTextBytesMax.
absl::StatusOr<std::size_t> bytes_needed(std::span<const Value> values);

// Lays out `values` in `memory`, which nobody else uses yet. Bytes behind the list stay as they
// are.
absl::Status format(std::span<std::byte> memory, std::span<const Value> values);

// The process of `dead` is known to be dead: nothing of it stays claimed. Any number of times, for
// any bytes, from any process. FAILED_PRECONDITION: the word kept changing, though its owner is
// dead.
absl::Status orphan(std::span<std::byte> memory, std::uint16_t dead);

struct EncodedElement;

class ListView {
 public:
  // A list of no elements.
  ListView() = default;

  // `memory` is aligned to 8 and stays mapped as long as the view and its copies are used.
  // DATA_LOSS: no list, or a damaged trailer. FAILED_PRECONDITION: a trailer of a later version.
  static absl::StatusOr<ListView> attach(std::span<std::byte> memory);
  static absl::StatusOr<ListView> attach_read_only(std::span<const std::byte> memory);

  std::size_t size() const { return count_; }
  bool writable() const { return writable_; }
  // False for a list born in Python's stdlib: no promise of atomicity.
  bool has_trailer() const { return has_trailer_; }

  // Indices run from 0 to N-1 and from -N to -1; others are OUT_OF_RANGE.
  absl::StatusOr<Value> get(std::ptrdiff_t index) const;
  // FAILED_PRECONDITION if the element is of another kind. Nothing is converted or allocated.
  absl::StatusOr<std::int64_t> get_int64(std::ptrdiff_t index) const;
  absl::StatusOr<double> get_double(std::ptrdiff_t index) const;
  absl::StatusOr<bool> get_bool(std::ptrdiff_t index) const;
  // A string or bytes element into `out`; gives its length. OUT_OF_RANGE if `out` is too small:
  // its contents are undefined then. Strings are not checked for UTF-8.
  absl::StatusOr<std::size_t> get_into(std::ptrdiff_t index, std::span<std::byte> out) const;

  // `owner` is this process's slot. `timeout` runs from the moment that waiting begins, so that an
  // uncontended set reads no clock. On any error nothing was changed.
  // OUT_OF_RANGE: larger than the slot. DEADLINE_EXCEEDED. PERMISSION_DENIED: attached read-only.
  absl::Status set(std::ptrdiff_t index, const Value& value, std::uint16_t owner,
                   absl::Duration timeout);
  absl::Status set_int64(std::ptrdiff_t index, std::int64_t value, std::uint16_t owner,
                         absl::Duration timeout);
  absl::Status set_double(std::ptrdiff_t index, double value, std::uint16_t owner,
                          absl::Duration timeout);

  // Python's `struct` text: "q", "d", "16s", ...
  absl::StatusOr<std::string> format_of(std::ptrdiff_t index) const;
  // The first equal element, NOT_FOUND; how many are equal. Each element as it is when reached.
  absl::StatusOr<std::size_t> index(const Value& value) const;
  absl::StatusOr<std::size_t> count(const Value& value) const;

 private:
  friend absl::Status orphan(std::span<std::byte> memory, std::uint16_t dead);

  // One element's fields, loaded once, and where its bytes are.
  struct Parts;
  // What was taken out of an element, or what is wrong with it.
  struct Taken;
  // Where an element's slot lies; null if its offsets are damaged.
  struct Slot {
    std::byte* start = nullptr;
    std::size_t size = 0;
  };

  static absl::StatusOr<ListView> locate(std::span<std::byte> memory);
  absl::Status check_trailer() const;

  // At or above size() for an index out of range.
  std::size_t position(std::ptrdiff_t index) const {
    return static_cast<std::size_t>(index) + (index < 0 ? count_ : 0);
  }
  absl::Status out_of_range(std::ptrdiff_t index) const;
  Slot slot_of(std::size_t at) const;

  bool read_scalar(std::size_t at, std::uint64_t format, std::uint64_t* value) const;
  bool read_text(std::size_t at, std::span<std::byte> out, std::size_t* length) const;
  Parts element_parts(std::size_t at) const;
  Parts record_parts() const;
  template <typename Room>
  Taken read(std::size_t at, Room room) const;
  template <typename Room>
  static Taken take(const Parts& parts, std::size_t at, Room room);
  absl::StatusOr<std::uint64_t> get_scalar(std::ptrdiff_t index, ValueKind kind) const;
  absl::StatusOr<std::size_t> get_text(std::size_t at, std::span<std::byte> out) const;

  bool set_in_place(std::size_t at, std::uint64_t format, std::uint64_t value, std::uint16_t owner);
  bool may_set_in_place(std::size_t at, std::uint64_t format) const;
  absl::StatusOr<std::uint64_t> claim(std::uint16_t owner, absl::Duration timeout);
  absl::Status finish_orphaned(std::uint64_t word, std::uint16_t owner);
  absl::Status publish_and_copy(std::size_t at, const Slot& slot, const EncodedElement& encoded,
                                std::uint64_t claimed);
  void fill_record(std::size_t at, const EncodedElement& encoded);
  void fill_element(std::size_t at, const Slot& slot, const EncodedElement& encoded);
  bool change_word(std::uint64_t from, std::uint64_t to);
  // To idle, and tells who waits for it.
  void make_idle(std::uint64_t from);
  [[nodiscard]] Word32& event() const {
    return *reinterpret_cast<Word32*>(word_ + (kShadowEventOffset - kShadowWordOffset));
  }

  // Stands in for the shadow word of a list that has none.
  alignas(8) static constexpr std::byte kAlwaysIdle[8] = {};

  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
  std::byte* formats_ = nullptr;
  std::byte* codes_ = nullptr;
  std::byte* word_ = const_cast<std::byte*>(kAlwaysIdle);  // not written without a trailer
  std::byte* record_ = nullptr;
  std::byte* tails_ = nullptr;
  std::size_t count_ = 0;
  std::size_t data_bytes_ = 0;
  std::size_t largest_slot_ = 0;
  std::size_t size_ = 0;
  bool has_trailer_ = false;
  bool writable_ = false;
};

SHOAL_VARIANT_END
}  // namespace shoal::memory

#include "memory/shareable_list_fast.h"
