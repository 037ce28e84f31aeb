// See ledger.h.
#include "daemon/ledger.h"

#include "schemas/limits.h"
#include "schemas/text.h"

namespace shoal::daemon {

using protocol::error;

const Ledger::Head& Ledger::at(const Heads& heads, Index index) {
  static const Head kNone;
  return index < heads.size() ? heads[index] : kNone;
}

Ledger::Head& Ledger::grow(Heads& heads, Index index) {
  if (index >= heads.size()) heads.resize(index + 1);
  return heads[index];
}

void Ledger::push(Head& head, Side side, Index attachment) {
  Links& links = links_[attachment];
  links.previous[side] = 0;
  links.next[side] = head.first;
  if (head.first != 0) links_[head.first].previous[side] = attachment;
  head.first = attachment;
  ++head.total.attachments;
}

void Ledger::remove(Head& head, Side side, Index attachment) {
  const Links links = links_[attachment];
  if (links.previous[side] != 0) {
    links_[links.previous[side]].next[side] = links.next[side];
  } else {
    head.first = links.next[side];
  }
  if (links.next[side] != 0) links_[links.next[side]].previous[side] = links.previous[side];
  --head.total.attachments;
}

Index Ledger::find(Index slot, Index object) const {
  const auto found = by_key_.find(key(slot, object));
  return found == by_key_.end() ? 0 : found->second;
}

Index Ledger::any_of(Index slot) const {
  const Index first = at(sessions_, slot).first;
  return first == 0 ? 0 : catalog_.attachments[first].object;
}

absl::Status Ledger::attach(Index slot, Index object, wire::Access access, std::uint32_t count,
                            std::int64_t now_ns) {
  Head& session = grow(sessions_, slot);
  Head& held = grow(objects_, object);
  Index index = find(slot, object);
  if (index == 0) {
    if (session.total.attachments >= protocol::kAttachmentsPerSessionMax) {
      return error(absl::StatusCode::kResourceExhausted, "this session is attached to ",
                   session.total.attachments, " objects, the limit \"attachments per session\"");
    }
    index = catalog_.attachments.take();
    if (index == 0) {
      return error(absl::StatusCode::kResourceExhausted, "the manager holds ",
                   catalog_.attachments.capacity(), " attachments, the limit \"attachments\"");
    }
    if (index >= links_.size()) links_.resize(index + 1);
    AttachmentRecord& record = catalog_.attachments[index];
    record.slot = slot;
    record.object = object;
    record.count = count;
    record.since_ns = now_ns;
    record.access = static_cast<std::uint32_t>(access);
    catalog_.attachments.publish(index);
    by_key_[key(slot, object)] = index;
    push(session, kBySession, index);
    push(held, kByObject, index);
  } else {
    AttachmentRecord& record = catalog_.attachments[index];
    if (count > protocol::kReferencesPerAttachmentMax - record.count) {
      return error(absl::StatusCode::kResourceExhausted, "this session holds ", record.count,
                   " references to the object, the limit \"references per attachment\"");
    }
    record.count += count;
    if (access == wire::Access::READ_WRITE) record.access = static_cast<std::uint32_t>(access);
  }
  session.total.references += count;
  held.total.references += count;
  return absl::OkStatus();
}

std::uint32_t Ledger::lower(Index slot, Index object, std::uint32_t count) {
  const Index index = find(slot, object);
  if (index == 0) return 0;
  AttachmentRecord& record = catalog_.attachments[index];
  if (count >= record.count) return 0;
  const std::uint32_t gone = record.count - count;
  record.count = count;
  Head& session = grow(sessions_, slot);
  Head& held = grow(objects_, object);
  session.total.references -= gone;
  held.total.references -= gone;
  if (count == 0) {
    remove(session, kBySession, index);
    remove(held, kByObject, index);
    by_key_.erase(key(slot, object));
    catalog_.attachments.free(index);
  }
  return gone;
}

void Ledger::end_writing(Index slot, Index object) {
  const Index index = find(slot, object);
  if (index == 0) return;
  catalog_.attachments[index].access = static_cast<std::uint32_t>(wire::Access::READ_ONLY);
}

}  // namespace shoal::daemon
