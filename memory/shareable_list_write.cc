// Setting an element of a ShareableList, and recovery after a writer's death. The protocol, its
// invariants and its crash points are at the top of shareable_list.h.
#include <optional>

#include "absl/strings/str_cat.h"

#include "memory/shareable_list_internal.h"
#include "memory/wait.h"

namespace shoal::memory {
SHOAL_VARIANT_BEGIN
namespace {

// Turns of a spin before a sleep: a set takes less.
constexpr int kSpins = 100;

std::uint64_t idle_after(std::uint64_t word) {
  return shadow_word(ShadowState::kIdle, 0, shadow_sequence(word));
}

std::uint64_t published_by(std::uint64_t word, std::uint16_t owner) {
  return shadow_word(ShadowState::kPublished, owner, shadow_sequence(word));
}

absl::Status check_owner(std::uint16_t owner) {
  if (owner >= kOwnerSlotMin && owner <= kOwnerSlotMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("owner slot ", owner, " is not in ", kOwnerSlotMin, "..", kOwnerSlotMax));
}

// An orphaned record, read once. False if it fits no element.
bool usable(std::uint64_t format, std::uint64_t code, std::size_t room, std::size_t* size) {
  const bool word = format == kFormatInt || format == kFormatDouble || format == kFormatBool ||
                    format == kFormatNone;
  *size = word ? 8 : text_format_size(format);
  return *size != 0 && *size <= room && code <= static_cast<std::uint64_t>(ListCode::kNone);
}

}  // namespace

bool ListView::change_word(std::uint64_t from, std::uint64_t to) {
  return shared_word(word_).compare_exchange_strong(from, to, std::memory_order_seq_cst);
}

void ListView::make_idle(std::uint64_t from) {
  if (change_word(from, idle_after(from))) announce(event());
}

// Gives the claimed word. Waits while somebody else, or another thread of ours, has it.
absl::StatusOr<std::uint64_t> ListView::claim(std::uint16_t owner, absl::Duration timeout) {
  std::optional<EventSleep> sleep;  // reads the clock, so not before the spin has failed
  for (int turn = 0;; ++turn) {
    const std::uint64_t word = load_word(word_, std::memory_order_seq_cst);
    switch (shadow_state(word)) {
      case ShadowState::kIdle: {
        const std::uint64_t mine = shadow_word(ShadowState::kClaimed, owner, next_sequence(word));
        if (change_word(word, mine)) return mine;
        break;
      }
      case ShadowState::kPublished:
        if (shadow_owner(word) == 0) {
          if (absl::Status status = finish_orphaned(word, owner); !status.ok()) return status;
        }
        break;
      case ShadowState::kClaimed:
        break;
      default:
        return absl::DataLossError("the list is damaged: its shadow word has no known state");
    }
    if (turn < kSpins) {
      relax();
      continue;
    }
    if (!sleep) sleep.emplace(event(), deadline_after(timeout));
    if (!sleep->step()) break;
  }
  return absl::DeadlineExceededError(absl::StrCat(
      "another writer of the list held its shadow word for ", absl::FormatDuration(timeout),
      " (owner slot ", shadow_owner(load_word(word_)), "); nothing was changed"));
}

// `word` is published(0): its set happened, its writer died before the element was whole.
absl::Status ListView::finish_orphaned(std::uint64_t word, std::uint16_t owner) {
  const std::uint64_t mine = published_by(word, owner);
  if (!change_word(word, mine)) return absl::OkStatus();  // another writer is at it
  // kTakenOver: the record is whole and ours alone to apply
  const std::uint64_t at = load_word(record_ + offsetof(ShadowRecord, index));
  const Slot slot = at < count_ ? slot_of(at) : Slot{};
  const std::uint64_t code = load_word(record_ + offsetof(ShadowRecord, code));
  EncodedElement element;
  element.format = load_word(record_ + offsetof(ShadowRecord, format));
  element.tail = load_word(record_ + offsetof(ShadowRecord, tail));
  const std::size_t room = slot.size < largest_slot_ ? slot.size : largest_slot_;
  if (slot.start == nullptr || !usable(element.format, code, room, &element.size)) {
    change_word(mine, word);
    return absl::DataLossError(
        absl::StrCat("the list is damaged: its shadow record for element ", at, " is no value"));
  }
  element.code = static_cast<ListCode>(code);
  element.padded = element.size;
  element.text = reinterpret_cast<const char*>(record_ + sizeof(ShadowRecord));
  if (!has_fault(Fault::kTakeOverWithoutCopy)) fill_element(at, slot, element);
  make_idle(mine);
  return absl::OkStatus();
}

void ListView::fill_record(std::size_t at, const EncodedElement& element) {
  store_word(record_ + offsetof(ShadowRecord, index), at);
  store_word(record_ + offsetof(ShadowRecord, format), element.format);
  store_word(record_ + offsetof(ShadowRecord, code), static_cast<std::uint64_t>(element.code));
  store_word(record_ + offsetof(ShadowRecord, tail), element.tail);
  copy_in(record_ + sizeof(ShadowRecord), element.bytes(), element.size, element.padded);
}

void ListView::fill_element(std::size_t at, const Slot& slot, const EncodedElement& element) {
  if (has_trailer_) store_word(tails_ + 8 * at, element.tail);
  store_word(formats_ + 8 * at, element.format);
  store_byte(codes_ + at, static_cast<std::uint8_t>(element.code));
  copy_in(slot.start, element.bytes(), element.size, element.padded);
}

absl::Status ListView::publish_and_copy(std::size_t at, const Slot& slot,
                                        const EncodedElement& element, std::uint64_t claimed) {
  const std::uint64_t published = published_by(claimed, shadow_owner(claimed));
  fence_stores();
  if (has_fault(Fault::kTailInPlace)) store_word(tails_ + 8 * at, element.tail);
  if (has_fault(Fault::kCopyBeforePublish)) fill_element(at, slot, element);
  // kClaimed: the record is being filled, nobody looks at it
  if (!has_fault(Fault::kPublishBeforeFill)) fill_record(at, element);
  if (!change_word(claimed, published)) {
    return absl::AbortedError(absl::StrCat("owner slot ", shadow_owner(claimed),
                                           " was declared dead during a set; nothing was changed"));
  }
  // kPublished: the new value is what readers see, from the record
  if (has_fault(Fault::kPublishBeforeFill)) fill_record(at, element);
  if (has_fault(Fault::kReleaseBeforeCopy)) make_idle(published);
  fence_stores();
  fill_element(at, slot, element);
  // kCopied: record and element say the same
  make_idle(published);
  return absl::OkStatus();
}

absl::Status ListView::set(std::ptrdiff_t index, const Value& value, std::uint16_t owner,
                           absl::Duration timeout) {
  const std::size_t at = position(index);
  if (at >= count_) return out_of_range(index);
  if (!writable_) return absl::PermissionDeniedError("the list is attached read-only");
  const Slot slot = slot_of(at);
  if (slot.start == nullptr) {
    return absl::DataLossError(
        absl::StrCat("element ", at, " of the list is damaged: its offsets"));
  }
  const absl::StatusOr<EncodedElement> element = encode_element(at, slot.size, value);
  if (!element.ok()) return element.status();
  if (!has_trailer_) {
    fill_element(at, slot, *element);
    return absl::OkStatus();
  }
  if (absl::Status status = check_owner(owner); !status.ok()) return status;
  if (element->padded > largest_slot_) {
    return absl::DataLossError("the list is damaged: its shadow record is smaller than a slot");
  }
  const absl::StatusOr<std::uint64_t> claimed = claim(owner, timeout);
  if (!claimed.ok()) return claimed.status();
  const bool word = element->format == kFormatInt || element->format == kFormatDouble;
  if (word && (may_set_in_place(at, element->format) || has_fault(Fault::kScalarInPlace))) {
    if (has_fault(Fault::kScalarInPlace)) store_word(formats_ + 8 * at, element->format);
    if (has_fault(Fault::kScalarInPlace)) store_byte(codes_ + at, 0);
    store_word(slot.start, element->scalar);  // kInPlace
    make_idle(*claimed);
    return absl::OkStatus();
  }
  return publish_and_copy(at, slot, *element, *claimed);
}

// Touches nothing but the shadow word, so neither the length nor the contents of a list matter.
absl::Status orphan(std::span<std::byte> memory, std::uint16_t dead) {
  if (absl::Status status = check_owner(dead); !status.ok()) return status;
  absl::StatusOr<ListView> list = ListView::locate(memory);
  if (!list.ok()) return list.status();
  if (!list->has_trailer_) return absl::OkStatus();
  constexpr int kAttempts = 16;  // a dead owner's word stands still, unless somebody forges it
  bool settled = false;
  for (int attempt = 0; attempt < kAttempts && !settled; ++attempt) {
    const std::uint64_t word = load_word(list->word_);
    const bool claimed = shadow_state(word) == ShadowState::kClaimed;
    const bool published = shadow_state(word) == ShadowState::kPublished;
    settled = shadow_owner(word) != dead || (!claimed && !published) ||
              (claimed && has_fault(Fault::kOrphanIgnoresClaim));
    if (settled) break;
    const bool drop = claimed || has_fault(Fault::kOrphanDropsPublished);
    settled =
        list->change_word(word, drop ? idle_after(word) : published_by(word, 0));  // kOrphaning
  }
  // Whatever the word was: the dead process may have been about to wake somebody.
  (void)advance(list->event());
  futex_wake(list->event(), kEverybody);
  if (settled) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the list's shadow word kept changing although its owner, slot ", dead, ", is dead"));
}

SHOAL_VARIANT_END
}  // namespace shoal::memory
