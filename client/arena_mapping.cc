// See arena_mapping.h.
#include "client/arena_mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <tuple>

#include "client/fork.h"
#include "memory/shared_copy.h"
#include "schemas/protocol.h"
#include "schemas/text.h"

namespace shoal::internal {
namespace {

using memory::ArenaHeader;
using memory::Geometry;
using protocol::error;

// Which file, and how.
using Which = std::tuple<dev_t, ino_t, Access>;

// What this process has mapped. Never destroyed.
class Mapped : private ForkGuarded {
 public:
  static Mapped& get() {
    static auto* const mapped = new Mapped;
    return *mapped;
  }
  std::shared_ptr<ArenaMapping> find(const Which& which) {
    const std::lock_guard lock(state_mutex_);
    const auto found = all_.find(which);
    return found == all_.end() ? nullptr : found->second.lock();
  }
  // Somebody else may have been faster: his is returned then.
  std::shared_ptr<ArenaMapping> add(const Which& which, std::shared_ptr<ArenaMapping> mapping) {
    const std::lock_guard lock(state_mutex_);
    std::erase_if(all_, [](const auto& entry) { return entry.second.expired(); });
    auto& slot = all_[which];
    if (auto other = slot.lock()) return other;
    slot = mapping;
    return mapping;
  }

 private:
  std::map<Which, std::weak_ptr<ArenaMapping>> all_;
};

// Under mlockall(MCL_FUTURE) a new page is there before anybody touches it, and so would be the
// whole arena.
bool pages_come_at_once() {
  const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  unsigned char resident = 0;
  const bool known = ::mincore(page, bytes, &resident) == 0;
  ::munmap(page, bytes);
  return known && (resident & 1) != 0;
}

std::uint64_t header_word(const std::byte* arena, std::size_t offset) {
  return memory::load_word(arena + offset);
}

absl::Status check_header(const std::byte* arena, Access access) {
  const auto layout = static_cast<std::uint32_t>(header_word(arena, offsetof(ArenaHeader, layout)));
  if (header_word(arena, offsetof(ArenaHeader, magic)) != memory::kArenaMagic) {
    return error(absl::StatusCode::kDataLoss,
                 "the arena's memory does not begin with an arena's header");
  }
  if (layout != protocol::kLayoutVersion) {
    return error(absl::StatusCode::kFailedPrecondition, "the arena has layout ", layout,
                 ", this library knows ", protocol::kLayoutVersion,
                 "; use the library that came with the manager");
  }
  std::uint64_t unknown =
      header_word(arena, offsetof(ArenaHeader, features_incompat)) & ~memory::kFeaturesIncompat;
  if (access == Access::kReadWrite) {
    unknown |=
        header_word(arena, offsetof(ArenaHeader, features_ro_compat)) & ~memory::kFeaturesRoCompat;
  }
  if (unknown != 0) {
    return error(absl::StatusCode::kFailedPrecondition, "the arena uses features (mask ", unknown,
                 ") that this library does not know; use the library that came with the manager");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<ArenaMapping>> ArenaMapping::map(int fd, std::uint64_t arena_bytes,
                                                                Access access) {
  if (fd < 0) return no_descriptor_came();
  struct stat file {};
  const bool sane = arena_bytes >= memory::kArenaBytesMin && arena_bytes <= memory::kArenaBytesMax;
  const Geometry geometry = Geometry::of(sane ? arena_bytes : 0);
  if (!sane || ::fstat(fd, &file) != 0 ||
      static_cast<std::uint64_t>(file.st_size) != geometry.file_bytes) {
    return error(absl::StatusCode::kDataLoss, "the manager sent a descriptor of ", file.st_size,
                 " bytes for an arena of ", arena_bytes);
  }
  const Which which = {file.st_dev, file.st_ino, access};
  if (auto mapping = Mapped::get().find(which)) return mapping;
  if (pages_come_at_once()) {
    return error(absl::StatusCode::kFailedPrecondition,
                 "this process locks all memory that it maps (mlockall with MCL_FUTURE), and an "
                 "arena reserves ",
                 geometry.file_bytes,
                 " bytes of addresses, most of them never used; call munlockall() first, or lock "
                 "with MCL_ONFAULT too");
  }
  absl::StatusOr<std::shared_ptr<Mapping>> mapping = Mapping::map(
      fd, geometry.file_bytes, geometry.file_bytes, access, Mapping::Pages::kAtFirstTouch);
  if (absl::IsResourceExhausted(mapping.status())) {
    return error(absl::StatusCode::kResourceExhausted, "an arena reserves ", geometry.file_bytes,
                 " bytes of addresses, most of them never used: ",
                 protocol::to_std(mapping.status().message()),
                 "; also allow overcommit (vm.overcommit_memory 0 or 1), or give the manager "
                 "smaller arenas");
  }
  if (!mapping.ok()) return mapping.status();
  if (absl::Status status = check_header((*mapping)->data().data(), access); !status.ok()) {
    return status;
  }
  return Mapped::get().add(which, std::make_shared<ArenaMapping>(*std::move(mapping), geometry));
}

}  // namespace shoal::internal
