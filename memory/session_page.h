// The session page: what a session shares with the manager, one sparse memfd, writable by the
// session and the manager only. Its identity, and a record for each thread: what the thread waits
// for, what it is allocating, and its counters.
//
//   0        8        12   14   16        24       28      32               128
//   +--------+--------+----+----+---------+--------+-------+----- ... ------+
//   | magic  | layout |slot| 0  | session | pid    |threads| arena, manager |
//   +--------+--------+----+----+---------+--------+-------+----- ... ------+
//   128: record of thread 1 | record of thread 2 | ... 128 bytes each
//
// That a process has it mapped is itself the message: while any process of the session's family
// (forks inherit the mapping, exec and exit end it) maps the page, the session's objects may be in
// use, whatever became of its descriptors.
//
// Read by the manager, and by tools when there is no manager: everything in it is hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

#include "memory/layout.h"
#include "memory/variant.h"
#include "memory/word.h"

namespace shoal::memory {

SHOAL_VARIANT_BEGIN

inline constexpr std::uint64_t kSessionPageMagic = 0x326567617073'6873;  // "shspage2"

// What a thread waits for.
enum class Purpose : std::uint32_t {
  kNone = 0,
  kLock = 1,
  kShared = 2,   // a SharedLock, for reading
  kReaders = 3,  // a SharedLock's readers to leave; the writer's place is taken
  kPermit = 4,
  kEvent = 5,
  kNotification = 6,
  kBarrier = 7,
  kChange = 8,  // of a cell
  kStore = 9,   // the end of another thread's store into a cell
};

// As tools and the log say it. Of an unknown number, too.
constexpr const char* purpose_name(Purpose purpose) {
  constexpr const char* kNames[] = {"unknown", "lock",         "shared",  "readers", "permit",
                                    "event",   "notification", "barrier", "change",  "store"};
  const auto number = static_cast<std::uint32_t>(purpose);
  return kNames[number < std::size(kNames) ? number : 0];
}

//   0         8         16    20        24        32        40     48     56
//   +---------+---------+-----+---------+---------+---------+------+------+---
//   | waiting | since   | tid | purpose | intent  | for     | 0    | tx   | intent 1
//   64 -----------------------------------------------------------------------
//   | operations | waits | waited ns | wakes | bytes | intents 2 to 4
//
// `waiting` is the object's id, stored last and cleared first. Only the thread writes its record.
struct ThreadRecord {
  Word64 waiting;   // 0: it does not wait
  Word64 since_ns;  // CLOCK_MONOTONIC
  Word32 tid;       // as the process sees it; 0: the record is free
  Word32 purpose;
  Word64 intent;      // intent 0: a block being claimed or given back (layout.h); 0: none
  Word64 intent_for;  // for which object, and which of the intents give back
  Word64 reserved;
  Word64 transaction;  // offset of the record of the one that it is making; 0: none
  Word64 intent_1;
  Word64 operations;
  Word64 waits;  // that slept
  Word64 waited_ns;
  Word64 wakes;  // of others
  Word64 bytes;  // allocated
  Word64 intents_2[3];

  [[nodiscard]] Word64& intent_at(unsigned i) {
    return i == 0 ? intent : i == 1 ? intent_1 : intents_2[(i - 2) % 3];
  }
};

struct SessionPage {
  std::uint64_t magic;
  std::uint32_t layout;
  std::uint16_t slot;
  std::uint16_t reserved;
  std::uint64_t session;
  std::uint32_t pid;  // as the manager sees it
  Word32 threads;     // one past the highest thread number that was ever used
  std::uint64_t arena;
  std::uint64_t manager;  // tells the pages of different managers apart
  std::uint64_t reserved_2[10];
  ThreadRecord records[kThreadsMax];  // of thread 1 first
};

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSessionPageBytes =
    (sizeof(SessionPage) + kPageBytes - 1) / kPageBytes * kPageBytes;

static_assert(std::is_standard_layout_v<SessionPage> && std::is_trivial_v<SessionPage>);
static_assert(sizeof(ThreadRecord) == 128);
static_assert(offsetof(ThreadRecord, tid) == 16);
static_assert(offsetof(ThreadRecord, intent) == 24);
static_assert(offsetof(ThreadRecord, intent_for) == 32);
static_assert(offsetof(ThreadRecord, reserved) == 40);
static_assert(offsetof(ThreadRecord, transaction) == 48);
static_assert(offsetof(ThreadRecord, intent_1) == 56);
static_assert(offsetof(ThreadRecord, operations) == 64);
static_assert(offsetof(ThreadRecord, intents_2) == 104);
static_assert(kIntentsMax == 2 + sizeof(ThreadRecord::intents_2) / sizeof(Word64));
static_assert(kManagerRecordOffset >= sizeof(ArenaHeader) && kManagerRecordOffset % 128 == 0);
static_assert(offsetof(SessionPage, layout) == 8);
static_assert(offsetof(SessionPage, slot) == 12);
static_assert(offsetof(SessionPage, session) == 16);
static_assert(offsetof(SessionPage, pid) == 24);
static_assert(offsetof(SessionPage, threads) == 28);
static_assert(offsetof(SessionPage, arena) == 32);
static_assert(offsetof(SessionPage, manager) == 40);
static_assert(offsetof(SessionPage, records) == 128);

SHOAL_VARIANT_END

}  // namespace shoal::memory
