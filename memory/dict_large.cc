// Values with a block of their own: allocated before the lock, freed after it. See dict.h.
#include <cstring>

#include "memory/dict.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

Result Dict::bring_in(Call& call, const DictKey& key, const DictValue& value,
                      Incoming& incoming) const {
  incoming.value = &value;
  if (value.bytes <= kInlineValueBytesMax) return Result::kDone;
  // Readers may copy up to the next whole word.
  const absl::StatusOr<std::uint64_t> block =
      allocator_->allocate(call.caller, value.bytes + 8, value_part(key.hash));
  if (!block.ok()) {
    call.why = block.status();
    return Result::kExhausted;
  }
  incoming.large = *block;
  incoming.payload[0] = *block;
  incoming.payload[1] = value.bytes;
  copy_in(arena_ + *block, value.data, value.bytes, (value.bytes + 7) & ~std::uint64_t{7});
  return Result::kDone;
}

void Dict::give_up(Caller& caller, const DictKey& key, Incoming& incoming) const {
  if (incoming.large == 0 || incoming.used) return;
  (void)allocator_->free(caller, incoming.large, incoming.payload[1] + 8, value_part(key.hash));
  incoming.large = 0;
}

// Under its lock the key was to have another value than what was brought in.
Result Dict::bring_in_again(Call& call, const DictKey& key, const DictValue& value,
                            Incoming& incoming) const {
  give_up(call.caller, key, incoming);
  incoming = Incoming{};
  return bring_in(call, key, value, incoming);
}

// Whether what was brought in is this value, or nothing had to be.
bool Dict::is_in(const Incoming& incoming, const DictValue& value) const {
  if (value.bytes <= kInlineValueBytesMax) return incoming.large == 0;
  return incoming.large != 0 && incoming.payload[1] == value.bytes &&
         (incoming.value->data == value.data ||
          std::memcmp(arena_ + incoming.large, value.data, value.bytes) == 0);
}

// The value's block, if it has one, will be free: before the store that lets go of it.
Result Dict::retire_value(Call& call, const DictKey& key, Entry entry, Garbage& garbage) const {
  StoredValue old;
  if (!open_value(entry, old)) return Result::kDamaged;
  garbage = {.block = old.block, .bytes = old.bytes + 8};
  // What was not allocated for this key is not given back: somebody wrote nonsense there.
  if (!allocator_->retire(call.caller, garbage.block, garbage.bytes, value_part(key.hash)).ok()) {
    garbage = {};
  }
  return Result::kDone;
}

void Dict::free_value(Caller& caller, std::uint64_t hash, const Garbage& garbage) const {
  if (garbage.block == 0) return;
  (void)allocator_->free(caller, garbage.block, garbage.bytes, value_part(hash));
}

SHOAL_VARIANT_END

}  // namespace shoal::memory
