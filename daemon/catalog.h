// The catalog: everything the manager must remember, as flat fixed records without pointers in one
// mapped region, so that the region can be a memfd that outlives the manager. What can be worked
// out again from the records (indexes, totals, lists) is kept elsewhere and is never the truth.
//
//   region:  | arenas | sessions | objects | attachments | tokens |
//   table:   record 0 is never used, so that 0 means "none"; a record is in use if state != 0.
//
// What if the manager dies here? A record is filled first and its `state` stored last; it is freed
// by storing state 0 first. So a record that is in use is whole.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/statusor.h"

#include "schemas/limits.h"

namespace shoal::daemon {

using Index = std::uint32_t;  // of a record in its table; 0: none

struct NameField {
  std::uint8_t bytes_used;
  char bytes[protocol::kNameBytesMax];

  [[nodiscard]] std::string_view view() const { return {bytes, bytes_used}; }
  void set(std::string_view name);
};
static_assert(sizeof(NameField) == 256);

struct ArenaRecord {
  std::atomic<std::uint32_t> state;
  std::uint32_t generation;
  std::uint32_t owner_uid;
  std::uint32_t owner_gid;
  std::uint64_t quota_bytes;
  std::int64_t created_ns;
  std::uint32_t mode;
  std::uint32_t reserved;
  NameField name;
};
static_assert(sizeof(ArenaRecord) == 296);

enum class SessionState : std::uint32_t {
  kFree = 0,
  kLive = 1,
  kDying = 2,       // the process is dead; a forked child may still use its references
  kRecovering = 3,  // its references are being dropped
};

// What became of a request, so that a repetition after a lost connection is not done twice.
struct Outcome {
  std::uint64_t request;  // id; 0: none yet
  std::uint64_t object;   // the object that it attached, if any
  std::uint64_t token[2];
  std::uint32_t code;  // absl::StatusCode
  std::uint8_t created;
  std::uint8_t access;
  std::uint16_t reserved;
};
static_assert(sizeof(Outcome) == 40);

struct SessionRecord {  // index == slot
  std::atomic<std::uint32_t> state;
  std::uint32_t generation;
  std::uint64_t secret[2];
  std::uint32_t pid;
  std::uint32_t uid;
  std::uint32_t gid;
  Index arena;
  std::int64_t since_ns;
  Outcome last;
  std::uint64_t page_inode;
  std::uint8_t label_bytes;
  char label[protocol::kLabelBytesMax];
};
static_assert(sizeof(SessionRecord) == 160);

enum class ObjectState : std::uint32_t {
  kFree = 0,
  kThere = 1,
  kEnding =
      2,  // destroyed; its index is not used again before the blocks its writers took are free
};

struct ObjectRecord {
  std::atomic<std::uint32_t> state;
  std::uint32_t generation;
  std::uint64_t size_bytes;
  std::uint64_t committed_bytes;
  std::int64_t created_ns;
  std::uint64_t inode;
  Index arena;
  std::uint32_t creator_pid;
  std::uint32_t creator_uid;
  std::uint32_t creator_slot;
  std::uint32_t creator_generation;
  std::uint32_t page_size_bytes;
  std::int32_t numa_node;
  std::uint16_t kind;      // wire::Kind
  std::uint16_t lifetime;  // wire::Lifetime
  std::uint8_t sealable;
  std::uint8_t sealed;
  std::uint8_t sparse;
  std::uint8_t named;
  // Of kinds that live in their arena. Its bytes are hostile, so all that says what an object is
  // stands here.
  std::uint32_t element_bytes;
  std::uint64_t parameter;
  std::uint64_t block;  // offset in the arena; 0: none
  std::uint64_t block_bytes;
  std::uint16_t flags;
  std::uint8_t allocates;  // its writers take blocks from the arena themselves
  std::uint8_t reserved[4];
  std::uint8_t fingerprint_bytes;
  char fingerprint[64];
  NameField name;

  [[nodiscard]] std::string_view type() const { return {fingerprint, fingerprint_bytes}; }
};
static_assert(sizeof(ObjectRecord) == 432);
static_assert(offsetof(ObjectRecord, element_bytes) == 76);
static_assert(offsetof(ObjectRecord, parameter) == 80);
static_assert(offsetof(ObjectRecord, flags) == 104);
static_assert(offsetof(ObjectRecord, fingerprint) == 112);
static_assert(offsetof(ObjectRecord, name) == 176);

// One line of the ledger: a session's use of one object.
struct AttachmentRecord {
  std::atomic<std::uint32_t> state;
  std::uint32_t slot;
  Index object;
  std::uint32_t count;
  std::int64_t since_ns;
  std::uint32_t access;  // wire::Access: read-write if any of the references is
  std::uint32_t reserved;
};
static_assert(sizeof(AttachmentRecord) == 32);

struct TokenRecord {
  std::atomic<std::uint32_t> state;
  Index object;
  std::uint64_t secret[2];
  std::int64_t expires_ns;
  std::uint32_t access;
  std::uint32_t uid;  // who made it
};
static_assert(sizeof(TokenRecord) == 40);

// One table of the region. Free records are found by a list that is derived, not stored.
template <typename Record>
class Table {
 public:
  Table() = default;
  explicit Table(std::span<Record> records) : records_(records) {}

  // An unused record, all but `state` for the caller to fill; 0 when the table is full.
  Index take() {
    Index index = 0;
    if (!free_.empty()) {
      // The one that was freed first: what still names an earlier life of it has time to notice.
      index = free_.front();
      free_.pop_front();
    } else if (next_ < records_.size()) {
      index = next_++;
    }
    if (index != 0) ++used_;
    return index;
  }
  // The record is whole: from now on it counts.
  void publish(Index index, std::uint32_t state = 1) {
    records_[index].state.store(state, std::memory_order_release);
  }
  void free(Index index) {
    records_[index].state.store(0, std::memory_order_release);
    free_.push_back(index);
    --used_;
  }

  [[nodiscard]] bool in_use(Index index) const {
    return index != 0 && index < next_ &&
           records_[index].state.load(std::memory_order_relaxed) != 0;
  }
  template <typename State>
  [[nodiscard]] bool is(Index index, State state) const {
    return in_use(index) && records_[index].state.load(std::memory_order_relaxed) ==
                                static_cast<std::uint32_t>(state);
  }
  Record& operator[](Index index) { return records_[index]; }
  const Record& operator[](Index index) const { return records_[index]; }
  [[nodiscard]] Index end() const { return next_; }  // no index in use is this or above
  [[nodiscard]] std::uint32_t used() const { return used_; }
  [[nodiscard]] std::uint32_t capacity() const {
    return static_cast<std::uint32_t>(records_.size()) - 1;
  }

 private:
  static_assert(std::is_standard_layout_v<Record>);
  std::span<Record> records_;
  std::deque<Index> free_;
  Index next_ = 1;
  std::uint32_t used_ = 0;
};

struct CatalogCapacity {
  std::uint32_t arenas = protocol::kArenasMax;
  std::uint32_t sessions = protocol::kSessionsMax;
  // An index is also the object's place in the object table of its arena.
  std::uint32_t objects = protocol::kObjectsPerArenaMax - 1;
  std::uint32_t attachments = 1U << 24;
  std::uint32_t tokens = protocol::kTokensMax;
};

class Catalog {
 public:
  // Reserves the region; pages come with use.
  static absl::StatusOr<Catalog> map(const CatalogCapacity& capacity);
  Catalog(Catalog&& other) noexcept;
  Catalog& operator=(Catalog&&) = delete;
  Catalog(const Catalog&) = delete;
  ~Catalog();

  Table<ArenaRecord> arenas;
  Table<SessionRecord> sessions;
  Table<ObjectRecord> objects;
  Table<AttachmentRecord> attachments;
  Table<TokenRecord> tokens;

 private:
  Catalog(void* region, std::size_t bytes) : region_(region), bytes_(bytes) {}
  void* region_;
  std::size_t bytes_;
};

// Object ids are {generation | index}; session ids {generation | slot}. Neither is ever 0.
constexpr std::uint64_t make_id(std::uint32_t generation, Index index) {
  return std::uint64_t{generation} << 32 | index;
}
constexpr Index index_of(std::uint64_t id) { return static_cast<Index>(id); }
constexpr std::uint32_t generation_of(std::uint64_t id) {
  return static_cast<std::uint32_t>(id >> 32);
}

}  // namespace shoal::daemon
