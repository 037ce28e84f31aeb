// What must hold between requests, whatever was asked: the catalog's records, and the lists, totals
// and accounts derived from them, say the same. For unit tests and the request fuzzer.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "daemon/state.h"
#include "schemas/text.h"

namespace shoal::test {

// Empty, or what is wrong.
class Invariants {
 public:
  static std::string broken(daemon::State& state) {
    Invariants check(state);
    check.attachments();
    check.objects();
    check.names();
    check.accounts();
    check.watches();
    return std::move(check.wrong_);
  }

  // Nothing of any client is left.
  static std::string leftovers(daemon::State& state) {
    Invariants check(state);
    check.expect(state.catalog.sessions.used(), 0, "sessions in use");
    check.expect(state.catalog.objects.used(), 0, "objects in use");
    check.expect(state.catalog.attachments.used(), 0, "attachments in use");
    check.expect(state.catalog.tokens.used(), 0, "tokens in use");
    check.expect(state.accounts.committed_bytes(), 0, "bytes committed");
    check.expect(state.accounts.users().size(), 0, "users with an account");
    check.expect(state.watches.count(), 0, "watches");
    for (daemon::Index arena = 1; arena < state.catalog.arenas.end(); ++arena) {
      const daemon::ArenaMemory* const memory = state.memories.find(arena);
      if (memory == nullptr) continue;
      check.expect(memory->usage().owned_bytes(), 0, "bytes of blocks in arena ", arena);
    }
    return std::move(check.wrong_);
  }

 private:
  struct Sum {
    std::uint64_t references = 0;
    std::uint64_t attachments = 0;
  };
  struct Use {
    std::uint64_t committed = 0;
    std::uint64_t objects = 0;
    std::uint64_t segments = 0;
    std::uint64_t sessions = 0;
  };

  explicit Invariants(daemon::State& state) : state_(state), catalog_(state.catalog) {}

  template <typename... Pieces>
  void expect(std::uint64_t got, std::uint64_t wanted, const Pieces&... what) {
    if (got == wanted) return;
    wrong_ += protocol::text(what..., ": ", got, " instead of ", wanted, "\n");
  }
  template <typename Table, typename Visit>
  void for_each(const Table& table, Visit visit) {
    std::uint32_t used = 0;
    for (daemon::Index i = 1; i < table.end(); ++i) {
      if (!table.in_use(i)) continue;
      ++used;
      visit(i, table[i]);
    }
    expect(table.used(), used, "records of a table");
  }

  // Of objects that are there; what is destroyed and waits for its blocks to be freed is nobody's.
  template <typename Visit>
  void for_each_object(Visit visit) {
    for_each(catalog_.objects, [&](daemon::Index i, const daemon::ObjectRecord& record) {
      if (state_.objects.is_there(i)) visit(i, record);
    });
  }

  void attachments() {
    std::map<daemon::Index, Sum> of_session;
    std::map<daemon::Index, Sum> of_object;
    for_each(catalog_.attachments, [&](daemon::Index i, const daemon::AttachmentRecord& record) {
      expect(catalog_.sessions.in_use(record.slot), 1, "attachment ", i, " has a session");
      expect(state_.objects.is_there(record.object), 1, "attachment ", i, " has an object");
      expect(record.count != 0, 1, "attachment ", i, " counts something");
      expect(record.access <= 1, 1, "attachment ", i, " has a known access");
      expect(state_.ledger.find(record.slot, record.object), i, "attachment found by its key");
      for (Sum* sum : {&of_session[record.slot], &of_object[record.object]}) {
        sum->references += record.count;
        ++sum->attachments;
      }
    });
    const auto compare = [&](const daemon::Ledger::Total& total, const Sum& sum,
                             std::uint64_t listed, const char* of, daemon::Index index) {
      expect(total.references, sum.references, "references of ", of, " ", index);
      expect(total.attachments, sum.attachments, "attachments of ", of, " ", index);
      expect(listed, sum.attachments, "attachments listed for ", of, " ", index);
    };
    for (daemon::Index slot = 1; slot < catalog_.sessions.end(); ++slot) {
      std::uint64_t listed = 0;
      state_.ledger.for_each_of_session(slot, [&](const daemon::AttachmentRecord& record) {
        expect(record.slot, slot, "attachment in the list of its session");
        return ++listed <= catalog_.attachments.end();
      });
      compare(state_.ledger.of_session(slot), of_session[slot], listed, "session", slot);
    }
    for (daemon::Index object = 1; object < catalog_.objects.end(); ++object) {
      std::uint64_t listed = 0;
      state_.ledger.for_each_of_object(object, [&](const daemon::AttachmentRecord& record) {
        expect(record.object, object, "attachment in the list of its object");
        return ++listed <= catalog_.attachments.end();
      });
      compare(state_.ledger.of_object(object), of_object[object], listed, "object", object);
    }
  }

  void objects() {
    std::map<daemon::Index, std::uint64_t> tokens;
    for_each(catalog_.tokens, [&](daemon::Index i, const daemon::TokenRecord& record) {
      expect(state_.objects.is_there(record.object), 1, "token ", i, " has an object");
      expect(state_.tokens.find(daemon::Tokens::text(record)), i, "token found by its text");
      ++tokens[record.object];
    });
    for_each_object([&](daemon::Index i, const daemon::ObjectRecord& record) {
      expect(state_.objects.tokens(i), tokens[i], "tokens of object ", i);
      expect(state_.objects.get(state_.objects.id(i)), i, "object found by its id");
      expect(state_.objects.segment(i).valid(), state_.objects.in_arena(i) ? 0 : 1, "object ", i,
             " has a segment");
      if (state_.objects.in_arena(i)) in_arena(i, record);
      const bool held = state_.ledger.of_object(i).references != 0 || tokens[i] != 0;
      const bool unrooted = state_.trace.is_unrooted(i);
      expect(held || record.named != 0, !unrooted, "object ", i, " has a name or a reference");
      if (record.named == 0) return;
      if (record.lifetime == static_cast<std::uint16_t>(wire::Lifetime::REFERENCED)) {
        expect(held, 1, "object ", i, ", named while referenced, has a reference");
      }
      if (record.lifetime == static_cast<std::uint16_t>(wire::Lifetime::SESSION)) {
        expect(state_.sessions.is_live(record.creator_slot, record.creator_generation), 1,
               "object ", i, ", named while its creator's session lasts, has one");
      }
    });
  }

  // What the object's bytes say, where nobody has written over them.
  void in_arena(daemon::Index i, const daemon::ObjectRecord& record) {
    const daemon::ArenaMemory* const memory = state_.memories.find(record.arena);
    expect(memory != nullptr, 1, "object ", i, " has the memory of its arena");
    if (memory == nullptr) return;
    const memory::ObjectView view = state_.objects.view(i);
    expect(view.descriptor->id.load(), state_.objects.id(i), "id in the descriptor of ", i);
    expect(view.descriptor->block.load(), record.block, "block in the descriptor of ", i);
    expect(record.block != 0, record.block_bytes != 0, "object ", i, " has its block");
    if (record.block_bytes == 0) return;
    const memory::Geometry& geometry = memory->geometry();
    expect(record.block >= geometry.chunks, 1, "block of ", i, " among the chunks");
    expect(record.block + record.block_bytes <= geometry.file_bytes, 1, "block of ", i, " inside");
    const bool is_new = blocks_.emplace(record.arena, record.block).second;
    expect(is_new, 1, "block of ", i, " is its own");
  }

  void watches() {
    std::uint32_t watched = 0;
    for_each(catalog_.attachments, [&](daemon::Index, const daemon::AttachmentRecord& record) {
      watched += state_.watches.has(record.slot, record.object) ? 1 : 0;
    });
    expect(state_.watches.count(), watched, "watches of attached objects");
  }

  void names() {
    std::uint64_t named = 0;
    for_each_object([&](daemon::Index i, const daemon::ObjectRecord& record) {
      if (record.named == 0) return;
      ++named;
      expect(catalog_.arenas.in_use(record.arena), 1, "object ", i, " has an arena");
      expect(state_.objects.find(record.arena, record.name.view()), i, "object found by its name");
    });
    std::uint64_t listed = 0;
    for (daemon::Index arena = 1; arena < catalog_.arenas.end(); ++arena) {
      std::string_view last;
      state_.objects.for_each_named(arena, "", "", [&](daemon::Index i) {
        const std::string_view name = catalog_.objects[i].name.view();
        expect(last < name, 1, "names in order");
        last = name;
        ++listed;
        return true;
      });
    }
    expect(listed, named, "names listed");
  }

  void accounts() {
    Use all;
    std::map<daemon::Index, Use> arenas;
    std::map<uid_t, Use> users;
    for_each_object([&](daemon::Index, const daemon::ObjectRecord& record) {
      for (Use* use : {&all, &arenas[record.arena], &users[record.creator_uid]}) {
        use->committed += record.committed_bytes;
        ++use->objects;
        use->segments += memory::is_arena_kind(record.kind) ? 0 : 1;
      }
    });
    for_each(catalog_.sessions, [&](daemon::Index, const daemon::SessionRecord& record) {
      for (Use* use : {&arenas[record.arena], &users[record.uid]}) ++use->sessions;
    });
    const auto compare = [&](const auto& account, const Use& use, const char* of,
                             std::uint64_t which) {
      expect(account.committed_bytes, use.committed, "bytes of ", of, " ", which);
      expect(account.objects, use.objects, "objects of ", of, " ", which);
      expect(account.sessions, use.sessions, "sessions of ", of, " ", which);
    };
    expect(state_.accounts.committed_bytes(), all.committed, "bytes in all");
    expect(all.committed <= state_.accounts.memory_max_bytes(), 1, "within memory-max");
    for (daemon::Index arena = 0; arena < catalog_.arenas.end(); ++arena) {
      compare(state_.accounts.arena(arena), arenas[arena], "arena", arena);
    }
    for (const auto& [uid, use] : users) {
      compare(state_.accounts.user(uid), use, "uid", uid);
      expect(state_.accounts.user(uid).segments, use.segments, "segments of uid ", uid);
    }
    expect(state_.accounts.segments(), all.segments, "segments in all");
    expect(state_.accounts.users().size(), users.size(), "users with an account");
  }

  daemon::State& state_;
  const daemon::Catalog& catalog_;
  std::set<std::pair<daemon::Index, std::uint64_t>> blocks_;
  std::string wrong_;
};

}  // namespace shoal::test
