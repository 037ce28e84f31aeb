// The lock, blocks and values of a change; append and set. Room is made in list_container_room.cc;
// what builds the list anew stands in list_container_rebuild.cc. See list_container_write.h.
#include "memory/list_container_write.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "memory/seeded_faults.h"
#include "memory/shared_copy.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

namespace {

// Others have changed the list so often between two looks.
constexpr int kRoundsMax = 10'000;

}  // namespace

// ---- lock, blocks ----

ListWriter::~ListWriter() {
  drop(spine_);
  drop(block_);
  for (Large& large : ahead_) drop(large.block);
  if (borrowed_) return;
  keeps_lock_ = false;
  unlock();
}

Result ListWriter::lock() {
  if (locked_) return Result::kDone;
  Result result = acquire_word(list_.view, caller_, Purpose::kLock, 0);
  if (result == Result::kTimedOut) {
    // The clock is asked once in a call, and only by who has to wait.
    if (deadline_ == 0) deadline_ = deadline_after(absl::Nanoseconds(call_.timeout_ns));
    result = acquire_word(list_.view, caller_, Purpose::kLock, deadline_);
  }
  locked_ = result == Result::kDone;
  return result;
}

void ListWriter::unlock() {
  if (!locked_ || keeps_lock_) return;
  locked_ = false;
  (void)release(list_.view, caller_);
  announce(caller_, list_.view);
}

Result ListWriter::hold() {
  const Result result = lock();
  keeps_lock_ = result == Result::kDone;
  return result;
}

Result ListWriter::refuse(absl::Status status) {
  call_.why = std::move(status);
  return Result::kExhausted;
}

Result ListWriter::too_many() {
  return refuse(absl::ResourceExhaustedError(
      absl::StrCat("the most elements that a list can have are ", kListCountMax)));
}

Result ListWriter::edit(absl::FunctionRef<Step()> attempt) {
  for (int round = 0; round < kRoundsMax; ++round) {
    if (const Result result = lock(); result != Result::kDone) return result;
    const std::uint64_t changes = list_.descriptor().changes.load(std::memory_order_relaxed);
    const bool is_expected = !expected_ || *expected_ == changes;
    wishes_[0] = wishes_[1] = Wish{};
    text_ = nullptr;
    const Step step = !is_expected ? Result::kDiffers : load_tree() ? attempt() : Result::kDamaged;
    unlock();
    if (step) return *step;
    if (const Result result = provide(); result != Result::kDone) return result;
  }
  return Result::kTimedOut;
}

bool ListWriter::load_tree() {
  return ListTree::load(list_, list_.descriptor().root.load(std::memory_order_relaxed), tree_);
}

Result ListWriter::provide() {
  if (text_ != nullptr) text_->reserve(text_bytes_);
  for (const Wish& wish : wishes_) {
    if (wish.block == nullptr) continue;
    drop(*wish.block);
    const Result result = allocate(*wish.block, wish.bytes, wish.part);
    if (result != Result::kDone) return result;
  }
  return Result::kDone;
}

bool ListWriter::want(Block& block, std::uint64_t bytes, std::uint32_t part) {
  if (block.offset != 0 && block.bytes >= bytes && block.part == part) return true;
  wishes_[wishes_[0].block != nullptr] = {.block = &block, .bytes = bytes, .part = part};
  return false;
}

Result ListWriter::allocate(Block& block, std::uint64_t bytes, std::uint32_t part) {
  const absl::StatusOr<std::uint64_t> got =
      list_.allocator->allocate(caller_, bytes, block_for(part));
  if (!got.ok()) return refuse(got.status());
  block = {.offset = *got, .bytes = ArenaMemory::block_size(bytes), .part = part};
  return Result::kDone;
}

void ListWriter::own(Block& block) {
  if (block.offset == 0) return;
  (void)list_.allocator->own(caller_, block.offset, block.bytes, block_for(block.part));
  block = Block{};
}

void ListWriter::drop(Block& block) {
  if (block.offset == 0) return;
  (void)list_.allocator->free(caller_, block.offset, block.bytes, block_for(block.part));
  block = Block{};
}

// ---- values ----

void ListWriter::note_kinds(std::span<const ListValue> values) {
  std::uint32_t kinds = 0;
  for (const ListValue& value : values) {
    if (value.references) kinds |= kListHasReferences;
    if (value.is_large()) kinds |= kListHasLarge;
  }
  Word32& sticky = list_.descriptor().sticky;
  const std::uint32_t seen = sticky.load(std::memory_order_relaxed);
  if ((seen | kinds) != seen) sticky.store(seen | kinds);
}

// The first large ones, before the lock is taken.
Result ListWriter::prepare_values(std::span<const ListValue> values) {
  for (const ListValue& value : values) {
    if (value.bytes.size() > kListValueBytesMax) {
      return refuse(absl::ResourceExhaustedError(absl::StrCat("a value of ", value.bytes.size(),
                                                              " bytes: the most in a list is ",
                                                              kListValueBytesMax)));
    }
    if (!value.is_large() || ahead_count_ == kValuesAhead) continue;
    const auto index = static_cast<std::size_t>(&value - values.data());
    const Result result = make_ahead(value, index, ahead_[ahead_count_]);
    if (result != Result::kDone) return result;
    ++ahead_count_;
  }
  return Result::kDone;
}

// Null: it is not large, or was not made ahead.
ListWriter::Large* ListWriter::ahead(std::size_t index) {
  for (std::size_t i = 0; i < ahead_count_; ++i) {
    if (ahead_[i].index == index) return &ahead_[i];
  }
  return nullptr;
}

Result ListWriter::make_ahead(const ListValue& value, std::size_t index, Large& large) {
  LargeBlock made;
  if (const Result result = make_large(value, made); result != Result::kDone) return result;
  large = {.block = {.offset = made.offset, .bytes = made.bytes, .part = kListPartValue},
           .word = made.word,
           .index = index};
  return Result::kDone;
}

Result ListWriter::make_large(const ListValue& value, LargeBlock& made) {
  const std::uint64_t size = value.bytes.size();
  Block block;
  const Result result = allocate(block, kLargeHeadBytes + size, kListPartValue);
  if (result != Result::kDone) return result;
  list_.at<Word64>(block.offset).store(size);
  list_.at<Word64>(block.offset + 8).store(record_head(0, value.kind, value.references) >> 32);
  copy_in(list_.arena + block.offset + kLargeHeadBytes, value.bytes.data(), size,
          (size + 7) & ~std::uint64_t{7});
  fence_stores();
  const unsigned cell = list_size_for(block.bytes);
  const LargePlace place{.place = list_.place_of(block.offset), .size = std::min(cell, kLargeRun)};
  made = {.word = place.word(list_.descriptor().values.add(1)),
          .offset = block.offset,
          .bytes = block.bytes};
  return Result::kDone;
}

// The word that the value becomes, its record behind the others of the leaf. `large`: the word if
// it is a large one. False: there is no room.
bool ListWriter::store_record(ListLeafView& leaf, const ListValue& value, std::uint64_t large,
                              std::uint64_t& word) {
  word = value.is_large() ? large : value.word;
  const std::uint64_t room = value.record_room();
  if (room == 0) return true;
  if (room > leaf.bytes - leaf.tail) return false;
  const std::uint64_t at = leaf.offset + leaf.tail;
  word = record_word(leaf.tail);
  list_.at<Word64>(at).store(record_head(value.bytes.size(), value.kind, value.references));
  copy_in(list_.arena + at + kRecordHeadBytes, value.bytes.data(), value.bytes.size(),
          room - kRecordHeadBytes);
  fence_stores();
  leaf.tail += static_cast<std::uint32_t>(room);
  if (!has_fault(Fault::kListTailForgotten)) leaf.head(list_).tail.store(leaf.tail);
  return true;
}

// ---- append ----

ListWriter::Step ListWriter::append_locked(std::span<const ListValue> values, Change& change) {
  const std::uint64_t count = tree_.count;
  const std::uint64_t end = count + values.size();
  if (end > kListCountMax) return too_many();
  if (const Step step = need_spine(leaves_for(end)); step != Result::kDone) return step;
  // Room in all leaves, before anything is written.
  for (std::uint64_t at = count; at < end;) {
    const auto index = static_cast<std::uint32_t>(at / kLeafElements);
    const std::uint64_t first = std::uint64_t{index} * kLeafElements;
    const std::uint64_t last = std::min(end, first + kLeafElements);
    std::uint64_t room = 0;
    for (std::uint64_t i = at; i < last; ++i) room += values[i - count].record_room();
    ListLeafView leaf;
    const Step step = need_leaf(index, at - first, last - first, room, leaf);
    if (step != Result::kDone) return step;
    at = last;
  }
  note_kinds(values);
  for (std::uint64_t at = count; at < end;) {
    ListLeafView leaf;
    const auto index = static_cast<std::uint32_t>(at / kLeafElements);
    const std::uint64_t first = std::uint64_t{index} * kLeafElements;
    const std::uint64_t last = std::min(end, first + kLeafElements);
    if (!ListLeafView::load(list_, tree_, index, leaf) || last - first > leaf.slots) {
      return Result::kDamaged;
    }
    for (; at < last; ++at) {
      const ListValue& value = values[at - count];
      const Large* const large = value.is_large() ? ahead(at - count) : nullptr;
      std::uint64_t word = large == nullptr ? 0 : large->word;
      if (!store_record(leaf, value, word, word)) return Result::kDamaged;
      leaf.element(list_, at - first).store(word);
    }
  }
  change = {.word = &tree_.head(list_).count, .value = end};
  return Result::kDone;
}

Result ListWriter::append(std::span<const ListValue> values) {
  if (values.empty()) return Result::kDone;
  const auto large = std::count_if(values.begin(), values.end(),
                                   [](const ListValue& value) { return value.is_large(); });
  if (static_cast<std::size_t>(large) > kValuesAhead) {
    return assign({.start = INT64_MAX}, values);
  }
  if (const Result result = prepare_values(values); result != Result::kDone) return result;
  return edit([&]() -> Step {
    Change change;
    const Step step = append_locked(values, change);
    if (step != Result::kDone) return step;
    return make(change);
  });
}

// ---- set ----

ListWriter::Step ListWriter::set_locked(std::int64_t index, const ListValue& value,
                                        Change& change) {
  const std::optional<std::uint64_t> at = index_in(index, tree_.count);
  if (!at) return Result::kAbsent;
  const auto which = static_cast<std::uint32_t>(*at / kLeafElements);
  const std::uint64_t first = std::uint64_t{which} * kLeafElements;
  const std::uint64_t used = std::min<std::uint64_t>(tree_.count - first, kLeafElements);
  ListLeafView leaf;
  const Step step = need_leaf(which, used, used, value.record_room(), leaf);
  if (step != Result::kDone) return step;
  Word64& element = leaf.element(list_, *at - first);
  const std::uint64_t old = element.load();
  note_kinds({&value, 1});
  change = {.word = &element};
  if (list_tag(old) == ListTag::kLarge) change.drops = old;
  if (!store_record(leaf, value, ahead_[0].word, change.value)) return Result::kDamaged;
  return Result::kDone;
}

Result ListWriter::set(std::int64_t index, const ListValue& value) {
  if (const Result result = prepare_values({&value, 1}); result != Result::kDone) return result;
  return edit([&]() -> Step {
    Change change;
    const Step step = set_locked(index, value, change);
    if (step != Result::kDone) return step;
    return make(change);
  });
}

// ---- several stores, of a transaction ----

// Room in each leaf for all that comes into it, so that none is replaced once the first record is
// written.
ListWriter::Step ListWriter::need_leaves(std::span<const Put> sets, std::span<const Put> appended) {
  const std::uint64_t count = tree_.count;
  const std::uint64_t end = count + appended.size();
  if (const Step step = need_spine(leaves_for(end)); step != Result::kDone) return step;
  std::size_t set = 0;
  for (std::uint64_t at = sets.empty() ? count : sets[0].index; at < end;) {
    const auto index = static_cast<std::uint32_t>(at / kLeafElements);
    const std::uint64_t first = std::uint64_t{index} * kLeafElements;
    const std::uint64_t last = std::min(end, first + kLeafElements);
    std::uint64_t room = 0;
    for (; set < sets.size() && sets[set].index < last; ++set) {
      room += sets[set].value.record_room();
    }
    for (std::uint64_t i = std::max(first, count); i < last; ++i) {
      room += appended[i - count].value.record_room();
    }
    ListLeafView leaf;
    const std::uint64_t used = std::min(std::max(count, first), last) - first;
    const Step step = need_leaf(index, used, last - first, room, leaf);
    if (step != Result::kDone) return step;
    at = set < sets.size() ? sets[set].index : std::max(last, count);
  }
  return Result::kDone;
}

ListWriter::Step ListWriter::prepare_locked(std::span<const Put> sets,
                                            std::span<const Put> appended,
                                            std::vector<Change>& changes) {
  const std::uint64_t count = tree_.count;
  const std::uint64_t end = count + appended.size();
  changes.clear();
  if (end > kListCountMax) return too_many();
  if (!sets.empty() && sets.back().index >= count) return Result::kAbsent;
  if (const Step step = need_leaves(sets, appended); step != Result::kDone) return step;
  const auto put = [&](const Put& what, std::uint64_t at, std::uint64_t& word, Word64*& place) {
    ListLeafView leaf;
    const auto index = static_cast<std::uint32_t>(at / kLeafElements);
    const std::uint64_t slot = at - std::uint64_t{index} * kLeafElements;
    if (!ListLeafView::load(list_, tree_, index, leaf) || slot >= leaf.slots) return false;
    note_kinds({&what.value, 1});
    place = &leaf.element(list_, slot);
    return store_record(leaf, what.value, what.large, word);
  };
  for (const Put& set : sets) {
    Change& change = changes.emplace_back();
    if (!put(set, set.index, change.value, change.word)) return Result::kDamaged;
    const std::uint64_t old = change.word->load();
    if (list_tag(old) == ListTag::kLarge) change.drops = old;
  }
  for (std::size_t i = 0; i < appended.size(); ++i) {
    std::uint64_t word = 0;
    Word64* place = nullptr;
    if (!put(appended[i], count + i, word, place)) return Result::kDamaged;
    place->store(word);
  }
  if (!appended.empty()) changes.push_back({.word = &tree_.head(list_).count, .value = end});
  return Result::kDone;
}

Result ListWriter::prepare(std::span<const Put> sets, std::span<const Put> appended,
                           std::vector<Change>& changes) {
  return edit([&] { return prepare_locked(sets, appended, changes); });
}

// ---- one store ----

Result ListWriter::make(const Change& change) {
  const Result result = begin(change);
  if (result != Result::kDone) return result;
  change.word->store(change.value);
  made(change);
  return result;
}

Result ListWriter::begin(const Change& change) {
  if (change.drops == 0 || has_fault(Fault::kListOldValueKept)) return Result::kDone;
  const LargePlace place = LargePlace::of(change.drops);
  if (!list_.has_place(place.place)) return Result::kDamaged;
  absl::Status retired =
      list_.allocator->retire(caller_, list_.offset_of(place.place),
                              large_block_bytes(list_, change.drops), block_for(kListPartValue));
  return retired.ok() ? Result::kDone : refuse(std::move(retired));
}

void ListWriter::made(const Change& change) {
  quick::note_change(list_);
  for (Large& large : ahead_) own(large.block);
  if (change.drops == 0 || has_fault(Fault::kListOldValueKept)) return;
  (void)list_.allocator->free(caller_, list_.offset_of(LargePlace::of(change.drops).place),
                              large_block_bytes(list_, change.drops), block_for(kListPartValue));
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
