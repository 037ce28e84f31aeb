// See fork_mark.h.
#include "client/fork_mark.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "client/fork.h"

namespace shoal::internal {
namespace {

// Never touched, so it costs no memory, and the file may be empty.
constexpr std::size_t kPageBytes = 4096;

bool is_mapped_somewhere(const GuardedFd& file) {
  return !file.ours() || ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE) != 0;
}

}  // namespace

void ForkMark::begin() {
  if (made_at_ == UINT64_MAX) make();
}

void ForkMark::make() {
  made_at_ = fork_count();
  file_ =
      GuardedFd(protocol::UniqueFd(::memfd_create("shoal-fork", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
  if (!file_.valid()) return;
  void* const page =
      ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  page_ = page == MAP_FAILED ? nullptr : page;
  // Without a page a child has none either, and that it is gone could not be told from that.
  if (page_ == nullptr) file_.close();
}

void ForkMark::unmap() {
  if (page_ != nullptr) ::munmap(page_, kPageBytes);
  page_ = nullptr;
}

std::uint64_t ForkMark::last_in_use() {
  const std::uint64_t now = fork_count();
  if (made_at_ < now) {
    unmap();
    past_.push_back({.last_fork = now, .file = std::move(file_)});
    make();
  }
  std::erase_if(past_, [](const Past& past) { return !is_mapped_somewhere(past.file); });
  return past_.empty() ? 0 : past_.back().last_fork;
}

void ForkMark::forget() {
  unmap();
  file_.close();
  past_.clear();
  made_at_ = UINT64_MAX;
}

}  // namespace shoal::internal
