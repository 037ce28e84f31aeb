// What is common to objects of every kind: kinds, lifetimes, access, tokens, and what the manager
// says about an object.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "shoal/export.h"

namespace shoal {

enum class Kind : std::uint16_t {
  kUnknown = 0,
  kSharedMemory = 1,
  kShareableList = 2,
  // From here on objects live in the memory of their arena: arena_object.h.
  kLock = 3,
  kRLock = 4,
  kSharedLock = 5,
  kSemaphore = 6,
  kBoundedSemaphore = 7,
  kCondition = 8,
  kEvent = 9,
  kBarrier = 10,
  kCell = 11,
  kArray = 12,
  // Containers.
  kDict = 13,
  kTypedDict = 14,
  kList = 15,
  kNamespace = 16,
};

// "SharedMemory", "Lock", ...: the names of the types.
SHOAL_EXPORT std::string_view kind_name(Kind kind);

enum class Lifetime : std::uint16_t {
  kNamed = 0,       // until unlinked
  kSession = 1,     // unlinked when the session that created it ends, by close or by death
  kReferenced = 2,  // unlinked with its last attachment
};

// "named", "session", "referenced".
SHOAL_EXPORT std::string_view lifetime_name(Lifetime lifetime);

enum class Access : std::uint16_t {
  kReadWrite = 0,
  kReadOnly = 1,  // the mapping is PROT_READ: a write to it is a SIGSEGV
};

struct OpenOptions {
  Access access = Access::kReadWrite;
  bool prefault = false;  // map every page now instead of at first touch
};

// A printable word of at most 64 bytes that holds one counted reference until somebody opens it or
// its time is up. It works once, in the same manager, for whoever has the arena's rights.
struct Token {
  std::string text;
};

// What `Client::list` says about an object.
struct ObjectInfo {
  std::uint64_t id = 0;
  std::string name;  // empty: anonymous, or unlinked while somebody still uses it
  std::string arena;
  Kind kind = Kind::kUnknown;
  std::uint64_t size_bytes = 0;
  std::uint64_t committed_bytes = 0;  // counted against the quota
  Lifetime lifetime = Lifetime::kNamed;
  std::uint32_t references = 0;  // over all sessions and tokens
  std::uint32_t sessions = 0;    // attached
  std::uint32_t tokens = 0;      // not taken yet
  bool referred = false;         // some value has referred to it, and may still
  bool sealable = false;
  bool sealed = false;
  bool sparse = false;
  std::uint32_t page_size_bytes = 0;
  int numa_node = -1;  // -1: none asked for
  absl::Time created;
  pid_t creator_pid = 0;
  uid_t creator_uid = 0;
  // Of objects that live in their arena. `parameter`: owned permits, or the count that a plain
  // semaphore began with; a barrier's parties; a SharedLock's readers; a condition's waiters; the
  // bytes of a cell's value, or of all elements of an array.
  std::uint64_t parameter = 0;
  std::uint16_t flags = 0;          // 1: a Lock that anyone may release; 2: a plain semaphore
  std::string fingerprint;          // of a cell's value, or an array's elements: fingerprint.h
  std::uint32_t element_bytes = 0;  // of an array
};

// Who holds an object.
struct Holder {
  std::uint64_t session = 0;
  pid_t pid = 0;
  uid_t uid = 0;
  std::string label;
  absl::Time since;
  std::uint32_t references = 0;
  Access access = Access::kReadWrite;
  std::string state;  // of the session: live, dying, quarantined
};

struct ObjectStat {
  ObjectInfo object;
  std::vector<Holder> holders;
  std::uint32_t holders_left_out = 0;  // beyond the limit of one reply
};

}  // namespace shoal
