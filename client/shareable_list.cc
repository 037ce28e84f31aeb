// Implements <shoal/shareable_list.h>: the name, the slot and the deadline; the bytes are
// memory/shareable_list.h's.
#include "shoal/shareable_list.h"

#include <utility>

#include "client/reference.h"
#include "client/segment.h"
#include "client/session.h"
#include "client/wire.h"
#include "memory/shareable_list.h"
#include "schemas/names.h"
#include "schemas/text.h"

namespace shoal {

using internal::Descriptors;
using internal::Reference;
using internal::Session;

struct ShareableList::State {
  memory::ListView view;
  Session* session;  // kept by the list's reference
};

namespace {

absl::Status closed() { return absl::FailedPreconditionError("the list is closed"); }

absl::Status read_only(const std::string& name) {
  return protocol::error(absl::StatusCode::kPermissionDenied, "ShareableList \"", name,
                         "\" is attached read-only, or sealed; nothing was changed");
}

// Lays the list out where nobody sees it, then gives it its name: who opens the name finds it
// whole, and a creator killed in between leaves nothing.
absl::StatusOr<std::shared_ptr<Reference>> create_whole(Session& session, std::string_view name,
                                                        const ShareableListOptions& options) {
  const absl::StatusOr<std::size_t> size = memory::bytes_needed(options.values);
  if (!size.ok()) {
    return protocol::error(size.status().code(), "shareable list \"", protocol::printable(name),
                           "\": ", protocol::to_std(size.status().message()));
  }
  auto reference =
      internal::create_segment(session, {.name = {},
                                         .kind = Kind::kShareableList,
                                         .options = {.size = *size, .lifetime = options.lifetime}});
  if (!reference.ok()) return reference;
  absl::Status status = memory::format((*reference)->mapping->data(), options.values);
  if (status.ok() && !name.empty()) {
    status = session.call(
        [&](wire::Request::Builder request) {
          auto link = request.initLink();
          link.setObject((*reference)->object);
          internal::set_text([&](unsigned bytes) { return link.initName(bytes); }, name);
        },
        internal::expect_done);
  }
  if (!status.ok()) return status;
  (*reference)->name = name;
  return reference;
}

}  // namespace

absl::StatusOr<ShareableList> ShareableList::over(const SharedMemory& memory) {
  if (memory.held() == nullptr) return closed();
  const absl::StatusOr<memory::ListView> view =
      memory.access() == Access::kReadWrite ? memory::ListView::attach(memory.data())
                                            : memory::ListView::attach_read_only(memory.data());
  if (!view.ok()) {
    return protocol::error(view.status().code(), "ShareableList \"", memory.name(),
                           "\": ", protocol::to_std(view.status().message()));
  }
  ShareableList list;
  list.memory_ = memory;
  list.state_ = std::make_shared<State>(State{*view, memory.held()->session.get()});
  return list;
}

absl::StatusOr<ShareableList> ShareableList::create(const Client& client, std::string_view name,
                                                    const Options& options, bool open_existing) {
  const OpenOptions existing{.access = options.access};
  for (;;) {
    if (open_existing) {
      absl::StatusOr<ShareableList> opened = open(client, name, existing);
      if (!absl::IsNotFound(opened.status())) return opened;
    }
    auto reference = create_whole(*client.session_, name, options);
    // Somebody else was faster: the list is there now.
    if (open_existing && absl::IsAlreadyExists(reference.status())) continue;
    if (!reference.ok()) return reference.status();
    return over(SharedMemory(*std::move(reference)));
  }
}

absl::StatusOr<ShareableList> ShareableList::open(const Client& client, std::string_view name,
                                                  const OpenOptions& options) {
  auto reference = internal::open_segment(*client.session_, name, Kind::kShareableList, options);
  if (!reference.ok()) return reference.status();
  return over(SharedMemory(*std::move(reference)));
}

absl::StatusOr<ShareableList> ShareableList::open(const Client& client, const Token& token,
                                                  const OpenOptions& options) {
  auto reference = internal::open_segment(*client.session_, token, Kind::kShareableList, options);
  if (!reference.ok()) return reference.status();
  return over(SharedMemory(*std::move(reference)));
}

std::size_t ShareableList::size() const { return state_ == nullptr ? 0 : state_->view.size(); }

absl::Status ShareableList::close() {
  state_.reset();
  return memory_.close();
}

absl::StatusOr<Value> ShareableList::get(std::ptrdiff_t index) const {
  if (state_ == nullptr) return closed();
  return state_->view.get(index);
}

absl::StatusOr<std::int64_t> ShareableList::get_int(std::ptrdiff_t index) const {
  if (state_ == nullptr) return closed();
  return state_->view.get_int64(index);
}

absl::StatusOr<double> ShareableList::get_double(std::ptrdiff_t index) const {
  if (state_ == nullptr) return closed();
  return state_->view.get_double(index);
}

absl::StatusOr<std::size_t> ShareableList::get_into(std::ptrdiff_t index,
                                                    std::span<std::byte> out) const {
  if (state_ == nullptr) return closed();
  return state_->view.get_into(index, out);
}

absl::Status ShareableList::set(std::ptrdiff_t index, const Value& value) const {
  if (state_ == nullptr) return closed();
  if (memory_.access() == Access::kReadOnly) return read_only(name());
  const absl::StatusOr<std::uint16_t> slot = state_->session->slot();
  if (!slot.ok()) return slot.status();
  return state_->view.set(index, value, *slot, state_->session->options().op_timeout);
}

absl::Status ShareableList::set_int(std::ptrdiff_t index, std::int64_t value) const {
  if (state_ == nullptr) return closed();
  if (memory_.access() == Access::kReadOnly) return read_only(name());
  const absl::StatusOr<std::uint16_t> slot = state_->session->slot();
  if (!slot.ok()) return slot.status();
  return state_->view.set_int64(index, value, *slot, state_->session->options().op_timeout);
}

absl::StatusOr<std::size_t> ShareableList::index(const Value& value) const {
  if (state_ == nullptr) return closed();
  return state_->view.index(value);
}

absl::StatusOr<std::size_t> ShareableList::count(const Value& value) const {
  if (state_ == nullptr) return closed();
  return state_->view.count(value);
}

absl::StatusOr<std::string> ShareableList::format(std::ptrdiff_t index) const {
  if (state_ == nullptr) return closed();
  return state_->view.format_of(index);
}

}  // namespace shoal
