// Known faults that a test build puts into the list on purpose, one at a time, to show that the
// kill sweeps find them. Without SHOAL_SEEDED_FAULTS all of it compiles to nothing.
//
// A test that wants them compiles the list's sources once more with the macro; the inline namespace
// keeps those apart from the real ones in one program.
#pragma once

namespace shoal::memory {

enum class Fault {
  kNone,
  kPublishBeforeFill,     // the shadow record is filled after it was published
  kCopyBeforePublish,     // the element is changed before the record is published
  kReleaseBeforeCopy,     // the word is free again before the element was copied
  kScalarInPlace,         // format and value of a scalar written without the record
  kTailInPlace,           // the tail word written without the record
  kTakeOverWithoutCopy,   // an orphaned record is dropped, not finished
  kOrphanIgnoresClaim,    // a dead writer's claim is left
  kOrphanDropsPublished,  // a dead writer's record is dropped
};

#ifdef SHOAL_SEEDED_FAULTS
#define SHOAL_LIST_NAMESPACE_BEGIN inline namespace with_faults {
#define SHOAL_LIST_NAMESPACE_END }
#else
#define SHOAL_LIST_NAMESPACE_BEGIN
#define SHOAL_LIST_NAMESPACE_END
#endif

SHOAL_LIST_NAMESPACE_BEGIN
#ifdef SHOAL_SEEDED_FAULTS
inline Fault seeded_fault = Fault::kNone;
inline bool has_fault(Fault fault) { return seeded_fault == fault; }
#else
constexpr bool has_fault(Fault) { return false; }
#endif
SHOAL_LIST_NAMESPACE_END

}  // namespace shoal::memory
