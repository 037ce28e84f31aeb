// A span of bytes shared by name: one memfd, sealed against shrinking and growing.
//
//   auto frame = client->create<shoal::SharedMemory>("frame0", {.size = 8 << 20});
//   std::ranges::copy(pixels, frame->data().begin());
//
// New memory is zero. All of it is committed at creation, so that a full machine is
// RESOURCE_EXHAUSTED then and never a SIGBUS later; `sparse` leaves that to the first touch.
//
// Ownership: a proxy holds one reference to the object; copies share it. The mapping lives as long
// as any proxy of this process for the object. `data()` stays valid until the last copy is closed
// or destroyed, whatever happens to the name, to the manager, or in a forked child.
//
// Thread safety: const methods of one proxy may run at once; the bytes are yours to synchronise.
// No method but seal(), unlink() and the creation calls talks to the manager and waits.
// close() and the destructor never wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "shoal/client.h"
#include "shoal/export.h"
#include "shoal/object.h"

namespace shoal {

struct SharedMemoryOptions {
  std::uint64_t size = 0;  // bytes, exact; 0 is INVALID_ARGUMENT
  Lifetime lifetime = Lifetime::kNamed;
  Access access = Access::kReadWrite;  // open_or_create: how to open an existing object
  bool sealable = false;               // seal() may be called later
  bool sparse = false;                 // commit pages at first touch; all count against the quota
  bool prefault = false;               // map every page now
  bool huge_pages = false;             // falls back to ordinary pages: see pages()
  std::optional<int> numa_node = {};   // bind the pages to this node
};

// What the kernel gave.
struct PageReport {
  std::uint32_t page_size_bytes = 0;
  std::string huge_pages_refused;  // why huge pages were not given; empty: given, or not asked for
};

class SHOAL_EXPORT SharedMemory {
 public:
  using Options = SharedMemoryOptions;

  SharedMemory() = default;  // closed

  // The bytes. Empty once closed. Under Access::kReadOnly a write to them is a SIGSEGV.
  [[nodiscard]] std::span<std::byte> data() const;
  [[nodiscard]] std::uint64_t size() const;       // exactly as created; 0 once closed
  [[nodiscard]] const std::string& name() const;  // as created or opened; empty: anonymous
  [[nodiscard]] std::uint64_t id() const;         // 0 once closed
  [[nodiscard]] Access access() const;
  [[nodiscard]] const PageReport& pages() const;

  // Gives this proxy's share of the reference back. Closing twice is fine.
  absl::Status close();

  // Takes the object's name away, if it is still this object's. NOT_FOUND if it has none.
  [[nodiscard]] absl::Status unlink() const;

  // Makes the bytes read-only for everyone, for good, the manager included. The caller's mapping is
  // replaced, at the same address, by a read-only one, so no other thread may be writing.
  // FAILED_PRECONDITION: not created sealable; or another process is attached for writing (the
  // message names pid and uid). Nothing is changed then. Sealing twice is fine.
  [[nodiscard]] absl::Status seal() const;

  // A new descriptor of the memory, for other mapping code; the caller closes it. `size()` and the
  // seals bind it too. See <shoal/boost.h>.
  [[nodiscard]] absl::StatusOr<int> descriptor(Access access) const;

 private:
  friend class Client;
  friend class ShareableList;
  explicit SharedMemory(std::shared_ptr<internal::Reference> reference);
  static absl::StatusOr<SharedMemory> create(const Client& client, std::string_view name,
                                             const Options& options, bool open_existing);
  static absl::StatusOr<SharedMemory> open(const Client& client, std::string_view name,
                                           const OpenOptions& options);
  static absl::StatusOr<SharedMemory> open(const Client& client, const Token& token,
                                           const OpenOptions& options);

  const std::shared_ptr<internal::Reference>& held() const { return reference_; }

  std::shared_ptr<internal::Reference> reference_;
};

}  // namespace shoal
