// The ledger: which session holds how many references to which object. The records are in the
// catalog; the lists and totals here are derived from them.
// Every operation costs the same however many sessions, objects or attachments there are.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "daemon/catalog.h"
#include "schemas/control.capnp.h"

namespace shoal::daemon {

class Ledger {
 public:
  struct Total {
    // Wider than any attachment's count: many full attachments must not add up to 0.
    std::uint64_t references = 0;
    std::uint32_t attachments = 0;  // of an object: sessions; of a session: objects
  };

  explicit Ledger(Catalog& catalog) : catalog_(catalog) {}

  // Adds `count` references. RESOURCE_EXHAUSTED names the limit; nothing is changed then.
  absl::Status attach(Index slot, Index object, wire::Access access, std::uint32_t count,
                      std::int64_t now_ns);

  // The session holds `count` references from now on; never more than before. Returns how many
  // went.
  std::uint32_t lower(Index slot, Index object, std::uint32_t count);
  // None of the session's references is for writing any more.
  void end_writing(Index slot, Index object);

  // 0: the session does not hold the object.
  [[nodiscard]] Index find(Index slot, Index object) const;
  // Any object that the session still holds; 0: none.
  [[nodiscard]] Index any_of(Index slot) const;

  [[nodiscard]] Total of_session(Index slot) const { return at(sessions_, slot).total; }
  [[nodiscard]] Total of_object(Index object) const { return at(objects_, object).total; }

  // `visit(const AttachmentRecord&)` returns whether to go on.
  template <typename Visit>
  void for_each_of_object(Index object, Visit visit) const {
    for (Index i = at(objects_, object).first; i != 0; i = links_[i].next[kByObject]) {
      if (!visit(catalog_.attachments[i])) return;
    }
  }
  template <typename Visit>
  void for_each_of_session(Index slot, Visit visit) const {
    for (Index i = at(sessions_, slot).first; i != 0; i = links_[i].next[kBySession]) {
      if (!visit(catalog_.attachments[i])) return;
    }
  }

 private:
  enum Side { kBySession = 0, kByObject = 1 };
  struct Links {
    Index previous[2] = {};
    Index next[2] = {};
  };
  struct Head {
    Index first = 0;
    Total total;
  };
  using Heads = std::vector<Head>;

  static std::uint64_t key(Index slot, Index object) { return std::uint64_t{slot} << 32 | object; }
  static const Head& at(const Heads& heads, Index index);
  static Head& grow(Heads& heads, Index index);
  void push(Head& head, Side side, Index attachment);
  void remove(Head& head, Side side, Index attachment);

  Catalog& catalog_;
  absl::flat_hash_map<std::uint64_t, Index> by_key_;
  std::vector<Links> links_;
  Heads sessions_;
  Heads objects_;
};

}  // namespace shoal::daemon
