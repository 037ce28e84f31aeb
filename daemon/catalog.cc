// See catalog.h.
#include "daemon/catalog.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "schemas/text.h"

namespace shoal::daemon {
namespace {

constexpr std::size_t kPage = 4096;

template <typename Record>
constexpr std::size_t table_bytes(std::uint32_t capacity) {
  return (sizeof(Record) * (std::size_t{capacity} + 1) + kPage - 1) / kPage * kPage;
}

template <typename Record>
Table<Record> carve(std::byte*& at, std::uint32_t capacity) {
  auto* first = reinterpret_cast<Record*>(at);
  at += table_bytes<Record>(capacity);
  return Table<Record>(std::span<Record>(first, std::size_t{capacity} + 1));
}

}  // namespace

void NameField::set(std::string_view name) {
  bytes_used = static_cast<std::uint8_t>(std::min(name.size(), sizeof bytes));
  std::memcpy(bytes, name.data(), bytes_used);
}

absl::StatusOr<Catalog> Catalog::map(const CatalogCapacity& capacity) {
  const std::size_t bytes = table_bytes<ArenaRecord>(capacity.arenas) +
                            table_bytes<SessionRecord>(capacity.sessions) +
                            table_bytes<ObjectRecord>(capacity.objects) +
                            table_bytes<AttachmentRecord>(capacity.attachments) +
                            table_bytes<TokenRecord>(capacity.tokens);
  void* region = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return protocol::error(absl::StatusCode::kResourceExhausted, "cannot reserve ", bytes,
                           " bytes of address space for the catalog: ", std::strerror(errno),
                           "; raise the limit of address space (ulimit -v)");
  }
  Catalog catalog(region, bytes);
  auto* at = static_cast<std::byte*>(region);
  catalog.arenas = carve<ArenaRecord>(at, capacity.arenas);
  catalog.sessions = carve<SessionRecord>(at, capacity.sessions);
  catalog.objects = carve<ObjectRecord>(at, capacity.objects);
  catalog.attachments = carve<AttachmentRecord>(at, capacity.attachments);
  catalog.tokens = carve<TokenRecord>(at, capacity.tokens);
  return catalog;
}

Catalog::Catalog(Catalog&& other) noexcept
    : arenas(std::move(other.arenas)),
      sessions(std::move(other.sessions)),
      objects(std::move(other.objects)),
      attachments(std::move(other.attachments)),
      tokens(std::move(other.tokens)),
      region_(std::exchange(other.region_, nullptr)),
      bytes_(other.bytes_) {}

Catalog::~Catalog() {
  if (region_ != nullptr) ::munmap(region_, bytes_);
}

}  // namespace shoal::daemon
