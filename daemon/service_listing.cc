// See service.h. Here: what there is, one object or a page of them.
#include <algorithm>
#include <string>
#include <vector>

#include "daemon/service.h"
#include "schemas/names.h"

namespace shoal::daemon {

void Service::describe(wire::Object::Builder out, Index object) const {
  const ObjectRecord& record = parts_.objects.record(object);
  const Ledger::Total total = parts_.ledger.of_object(object);
  out.setId(parts_.objects.id(object));
  if (record.named != 0) out.setName(std::string(record.name.view()).c_str());
  out.setKind(static_cast<wire::Kind>(record.kind));
  out.setSize(record.size_bytes);
  out.setCommitted(record.committed_bytes);
  out.setLifetime(static_cast<wire::Lifetime>(record.lifetime));
  out.setReferences(shown(total.references + parts_.objects.tokens(object)));
  out.setSessions(total.attachments);
  out.setTokens(parts_.objects.tokens(object));
  out.setSealable(record.sealable != 0);
  out.setSealed(record.sealed != 0 || parts_.objects.segment(object).sealed());
  out.setSparse(record.sparse != 0);
  out.setPageSize(record.page_size_bytes);
  out.setNumaNode(record.numa_node);
  out.setCreatedNs(record.created_ns);
  out.setCreatorPid(record.creator_pid);
  out.setCreatorUid(record.creator_uid);
  out.setArena(std::string(parts_.catalog.arenas[record.arena].name.view()).c_str());
  out.setParameter(record.parameter);
  out.setFlags(record.flags);
  out.setFingerprint(std::string(record.type()).c_str());
  out.setElementBytes(record.element_bytes);
  out.setBlock(record.block);
  out.setReferred(parts_.objects.is_referred_to(object));
}

absl::Status Service::list(Call& call, wire::Listing::Reader listing) {
  if (absl::Status status = require_right(call, /*write=*/false); !status.ok()) return status;
  const std::string_view prefix = view(listing.getPrefix());
  if (absl::Status status = protocol::check_prefix(prefix); !status.ok()) return status;
  const Index arena = parts_.sessions.record(call.peer.slot).arena;
  const std::uint32_t asked = listing.getMost() == 0 ? protocol::kListPageMax : listing.getMost();
  const std::size_t most = std::min(asked, protocol::kListPageMax);
  std::vector<Index> page;
  if (listing.getAnonymous()) {
    // Few objects have no name; to find them the table is walked, a page at a time.
    for (Index i = index_of(listing.getAfterObject()) + 1;
         i < parts_.catalog.objects.end() && page.size() <= most; ++i) {
      const bool wanted = parts_.objects.is_there(i) && parts_.objects.record(i).arena == arena &&
                          parts_.objects.record(i).named == 0;
      if (wanted) page.push_back(i);
    }
  } else {
    parts_.objects.for_each_named(arena, prefix, view(listing.getAfter()), [&](Index object) {
      page.push_back(object);
      return page.size() <= most;
    });
  }
  auto out = call.reply.initObjects();
  out.setMore(page.size() > most);
  page.resize(std::min(page.size(), most));
  auto objects = out.initObjects(static_cast<unsigned>(page.size()));
  for (std::size_t i = 0; i < page.size(); ++i) {
    describe(objects[static_cast<unsigned>(i)], page[i]);
  }
  return absl::OkStatus();
}

absl::Status Service::stat(Call& call, wire::Target::Reader target) {
  if (absl::Status status = require_right(call, /*write=*/false); !status.ok()) return status;
  Index object = 0;
  if (target.isName()) {
    const absl::StatusOr<Index> found = named(call, view(target.getName()));
    if (!found.ok()) return found.status();
    object = *found;
  } else if (!target.isObject()) {
    return unknown_kind(call);
  } else {
    object = parts_.objects.get(target.getObject());
    const bool visible =
        object != 0 &&
        parts_.arenas.rights(parts_.objects.record(object).arena, call.peer.who).read;
    if (!visible) return object_gone(target.getObject());
  }
  std::vector<const AttachmentRecord*> page;
  parts_.ledger.for_each_of_object(object, [&](const AttachmentRecord& attachment) {
    page.push_back(&attachment);
    return page.size() < protocol::kListPageMax;
  });
  auto out = call.reply.initHolders();
  describe(out.initObject(), object);
  out.setMore(parts_.ledger.of_object(object).attachments -
              static_cast<std::uint32_t>(page.size()));
  auto holders = out.initHolders(static_cast<unsigned>(page.size()));
  for (std::size_t i = 0; i < page.size(); ++i) {
    const Index slot = page[i]->slot;
    const SessionRecord& session = parts_.sessions.record(slot);
    auto holder = holders[static_cast<unsigned>(i)];
    holder.setSession(parts_.sessions.id(slot));
    holder.setPid(session.pid);
    holder.setUid(session.uid);
    holder.setLabel(std::string(parts_.sessions.label(slot)).c_str());
    holder.setSinceNs(page[i]->since_ns);
    holder.setReferences(page[i]->count);
    holder.setAccess(static_cast<wire::Access>(page[i]->access));
    holder.setState(std::string(parts_.sessions.state_name(slot)).c_str());
  }
  return absl::OkStatus();
}

}  // namespace shoal::daemon
