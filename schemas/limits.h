// Every limit of shoal, named, in one place. What is over one gets a Status that names it;
// `shoalctl limits` shows them. Limits that follow from the machine (descriptors, memory) are
// worked out by the manager at start and only bounded here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shoal::protocol {

// One message, framing included. Requests are small; a reply may list every arena.
inline constexpr std::size_t kRequestBytesMax = std::size_t{64} * 1024;
inline constexpr std::size_t kReplyBytesMax = std::size_t{4} * 1024 * 1024;
// Nesting of pointers in one message.
inline constexpr int kMessageNestingMax = 16;
// Descriptors that may ride along with one message.
inline constexpr std::size_t kMessageDescriptorsMax = 2;
// Requests in flight per session.
inline constexpr std::uint32_t kRequestsInFlightMax = 1;

inline constexpr std::uint32_t kSessionsMax = 65'534;  // slots 1..65534 of a lock word
inline constexpr std::uint32_t kAttachmentsPerSessionMax = 65'536;
inline constexpr std::uint32_t kReferencesPerAttachmentMax = 1U << 30;
inline constexpr std::uint32_t kObjectsPerArenaMax = 1U << 20;
inline constexpr std::uint32_t kSegmentsMax = 1U << 20;
inline constexpr std::uint32_t kArenasMax = 1'024;
inline constexpr std::uint32_t kTokensMax = 65'536;
// Descriptors that tell of changes (`watch`): one session's, and all together.
inline constexpr std::uint32_t kWatchesPerSessionMax = 256;
inline constexpr std::uint32_t kWatchesMax = 65'536;
// Large values that one session has in view without a copy.
inline constexpr std::uint32_t kPinsPerSessionMax = 4'096;

inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kLabelBytesMax = 63;
inline constexpr std::size_t kTokenBytesMax = 64;
inline constexpr std::uint64_t kSegmentBytesMax = std::uint64_t{1} << 46;  // 64 TiB
inline constexpr double kTokenSecondsMax = 24.0 * 3600;

// ---- objects in the memory of an arena ----
inline constexpr std::size_t kFingerprintBytesMax = 63;
inline constexpr std::uint32_t kOwnedPermitsMax = 1U << 20;
inline constexpr std::uint32_t kPlainPermitsMax = 0x7fffffff;
inline constexpr std::uint32_t kPartiesMax = 0xffff;
inline constexpr std::uint32_t kSharersMax = kSessionsMax;  // processes that read at once
inline constexpr std::uint32_t kWaitersMax = 4'096;         // threads in one condition
inline constexpr std::uint64_t kCellBytesMax = std::uint64_t{16} << 10;
inline constexpr std::uint64_t kArrayBytesMax = std::uint64_t{64} << 30;  // as an arena's memory

// ---- values and keys of dicts and lists, encoded ----
inline constexpr std::size_t kValueBytesMax = std::size_t{1} << 30;
inline constexpr int kValueDepthMax = 100;  // shoal::Value::kDepthMax
// Values inside one value, at any depth.
inline constexpr std::size_t kValueElementsMax = std::size_t{1} << 25;
// A string or bytes inside a list, tuple, set, map or opaque value: what Cap'n Proto can hold.
inline constexpr std::size_t kNestedTextBytesMax = (std::size_t{1} << 29) - 2;
inline constexpr std::size_t kKeyBytesMax = 8'192;

// What all share, one uid other than root and the manager's may use up to a part: an n-th.
enum class Shared : std::uint32_t {
  kObjects = 2,
  kSegments = 2,
  kSessions = 4,
  kTokens = 4,
  kUngreeted = 4,
  kWatches = 4,
};
constexpr std::uint32_t most_of_one_uid(Shared what, std::uint32_t limit, bool may_use_all) {
  return may_use_all ? limit : limit / static_cast<std::uint32_t>(what);
}

// A page of a listing. Sized so that a full page of the longest names fits one message.
inline constexpr std::uint32_t kListPageMax = 64;

// A connection that has not said hello by then is closed.
inline constexpr int kHelloSecondsMax = 10;
// Connections that have not said hello.
inline constexpr std::uint32_t kUngreetedMax = 4'096;

}  // namespace shoal::protocol
