// Implements <shoal/value_view.h> for Dict, and the pins of a session. A block is pinned first and
// then looked up again: if the key's value lies in it still, nobody can have freed it before the
// pin, and nobody can free it afterwards.
#include "shoal/value_view.h"

#include <memory>
#include <string>
#include <utility>

#include "client/dict_calls.h"
#include "client/fork.h"
#include "client/session.h"
#include "memory/wait.h"
#include "shoal/dict.h"

namespace shoal {

namespace internal {

namespace {

void fill_pin(wire::Request::Builder request, std::pair<std::uint64_t, std::uint64_t> block,
              bool on) {
  auto pin = request.initPin();
  pin.setObject(block.first);
  pin.setBlock(block.second);
  pin.setOn(on);
}

}  // namespace

absl::Status Session::pin_block(std::uint64_t object, std::uint64_t block) {
  // A forked child's session comes first: it would forget the pin.
  if (const absl::StatusOr<std::uint16_t> own_slot = slot(); !own_slot.ok()) {
    return own_slot.status();
  }
  {
    const std::lock_guard lock(state_mutex_);
    ++pinned_[Block{object, block}];
    to_unpin_.erase(Block{object, block});
  }
  absl::Status status = call(
      [&](wire::Request::Builder request) {
        fill_pin(request, {object, block}, true);
      },
      [](wire::Reply::Reader, Descriptors&) { return absl::OkStatus(); });
  if (!status.ok()) unpin_block(object, block);
  return status;
}

void Session::unpin_block(std::uint64_t object, std::uint64_t block) {
  {
    const std::lock_guard lock(state_mutex_);
    const auto pinned = pinned_.find(Block{object, block});
    if (pinned == pinned_.end() || --pinned->second != 0) return;
    pinned_.erase(pinned);
    to_unpin_.insert(Block{object, block});
    has_news_.store(true, std::memory_order_seq_cst);
  }
  pass_on_news();
}

bool Session::send_unpins() {
  while (!to_unpin_.empty()) {
    const auto block = to_unpin_.begin();
    const bool sent = channel_.send_now(
        encode(0, [&](wire::Request::Builder request) { fill_pin(request, *block, false); }));
    if (!sent) return false;
    to_unpin_.erase(block);
  }
  return true;
}

namespace {

// Below it a copy takes less time than the message.
constexpr std::uint64_t kPinnedBytesMin = 64 << 10;

// Ends the pin. Keeps the mapping and the object until then.
class PinnedBlock {
 public:
  PinnedBlock(std::shared_ptr<Reference> reference, std::uint64_t block)
      : reference_(std::move(reference)), block_(block), epoch_(fork_epoch()) {}
  PinnedBlock(const PinnedBlock&) = delete;
  PinnedBlock& operator=(const PinnedBlock&) = delete;
  ~PinnedBlock() {
    // A parent's, in its child: the child's own pin of the same block is another.
    if (epoch_ == fork_epoch()) reference_->session->unpin_block(reference_->object, block_);
  }

 private:
  std::shared_ptr<Reference> reference_;
  std::uint64_t block_;
  std::uint64_t epoch_;
};

// Where a value lies, or what it is.
struct Seen {
  std::uint8_t kind = 0;
  std::uint64_t block = 0;  // 0: small
  std::span<const std::byte> bytes;
  std::shared_ptr<std::string> copy;

  void take(const memory::StoredValue& value) {
    kind = value.kind;
    block = value.bytes >= kPinnedBytesMin ? value.block : 0;
    bytes = {value.data, value.bytes};
    if (block != 0) return;
    if (copy == nullptr) copy = std::make_shared<std::string>();
    copy->resize(value.bytes);
    memory::copy_out(copy->data(), value.data, value.bytes);
  }
};

}  // namespace
}  // namespace internal

absl::StatusOr<ValueView> Dict::view(const Key& key) const {
  const internal::ArenaReference* const object = internal::object_of(reference_);
  if (object == nullptr) return internal::is_closed();
  if (!key.status().ok()) return key.status();
  for (memory::Retries retries(internal::op_timeout_ns(*object));;) {
    internal::Seen seen;
    const auto look = [&](internal::Seen& at) {
      return internal::read_dict(*object, key,
                                 [&](const memory::StoredValue& value) { at.take(value); });
    };
    memory::Result result = look(seen);
    if (result != memory::Result::kDone) {
      return internal::key_failure(result, *object, key, absl::OkStatus());
    }
    const auto kind = static_cast<ValueKind>(seen.kind);
    if (seen.block == 0) {
      const std::span<const char> copied(*seen.copy);
      return ValueView(kind, std::as_bytes(copied), std::move(seen.copy));
    }
    const absl::Status pinned = object->session->pin_block(object->object, seen.block);
    if (pinned.ok()) {
      auto keeper = std::make_shared<const internal::PinnedBlock>(reference_, seen.block);
      internal::Seen again;
      if (look(again) == memory::Result::kDone && again.block == seen.block &&
          again.bytes.size() == seen.bytes.size() && again.kind == seen.kind) {
        return ValueView(kind, seen.bytes, std::move(keeper));
      }
    } else if (!absl::IsNotFound(pinned)) {
      return pinned;
    }
    // It was replaced in between.
    result = retries.again(object->view);
    if (result != memory::Result::kDone) {
      return internal::key_failure(result, *object, key, absl::OkStatus());
    }
  }
}

}  // namespace shoal
