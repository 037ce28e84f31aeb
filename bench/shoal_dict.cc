// See shoal_dict.h.
#include "bench/shoal_dict.h"

#include <fstream>
#include <string>

#include <shoal/dict.h>
#include <shoal/typed_dict.h>

#include "bench/manager.h"
#include "bench/shoal_peer.h"

namespace bench {
namespace {

using reference::Bytes64;
using reference::Key;
using reference::view;

constexpr char kName[] = "dict";

// What the rows need of a dict, for values of 64 bytes. A failed call is told by its result.
class Dict64 {
 public:
  using Shoal = shoal::Dict;
  using Value = Bytes64;

  explicit Dict64(shoal::Dict dict) : dict_(std::move(dict)) {}

  bool get(const Key& key, Value* value) const {
    const absl::StatusOr<std::optional<std::size_t>> size =
        dict_.find_into(view(key), std::as_writable_bytes(std::span(*value)));
    return size.ok() && *size == value->size();
  }

  bool put(const Key& key, const Value& value) const {
    return dict_.put_bytes(view(key), std::as_bytes(std::span(value))).ok();
  }

 protected:
  shoal::Dict dict_;
};

class Dict8 {
 public:
  using Shoal = shoal::Dict;
  using Value = std::int64_t;

  explicit Dict8(shoal::Dict dict) : dict_(std::move(dict)) {}

  bool get(const Key& key, Value* value) const {
    const absl::StatusOr<std::int64_t> found = dict_.get_as<std::int64_t>(view(key));
    if (!found.ok()) return false;
    *value = *found;
    return true;
  }

  bool put(const Key& key, Value value) const { return dict_.put(view(key), value).ok(); }

  std::int64_t increment(const Key& key) const {
    const absl::StatusOr<std::int64_t> sum = dict_.increment(view(key));
    return sum.ok() ? *sum : -1;
  }

 protected:
  shoal::Dict dict_;
};

class Typed64 {
 public:
  using Shoal = shoal::TypedDict<Key, Bytes64>;
  using Value = Bytes64;

  explicit Typed64(Shoal dict) : dict_(std::move(dict)) {}

  bool get(const Key& key, Value* value) const {
    const absl::StatusOr<Value> found = dict_.get(key);
    if (!found.ok()) return false;
    *value = *found;
    return true;
  }

  bool put(const Key& key, const Value& value) const { return dict_.put(key, value).ok(); }

 protected:
  Shoal dict_;
};

// With a manager of its own.
template <typename Dict>
class Managed : private ManagedClient, public Dict {
 public:
  Managed() : Dict(must("create", client.create<typename Dict::Shoal>(kName))) {}

  // Another dict, under the name of the one before.
  void renew() {
    this->dict_ = {};
    must("unlink", client.unlink(kName));
    this->dict_ = must("create", client.create<typename Dict::Shoal>(kName));
  }
};

class Pair {
 public:
  using Dict = Dict64;

  template <typename Make>
  Pair(std::size_t, Make make)
      : shoal_([make](reference::PeerPage& page, const shoal::Client& client) {
          return make(page, Dict(must("open", client.open<shoal::Dict>(kName))));
        }),
        dict_(must("create", shoal_.client().create<shoal::Dict>(kName))) {}

  Dict dict() { return dict_; }
  reference::Peer& peer() { return shoal_.peer(); }
  void begin() { shoal_.begin(); }

 private:
  ShoalPeer shoal_;
  Dict dict_;
};

// Pages of shared memory that this process has mapped, as the kernel counts them. Who fills a dict
// has touched all that it takes.
std::uint64_t resident_shared_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == "RssShmem:" && status >> kilobytes) return kilobytes << 10;
  }
  reference::give_up("/proc/self/status", "it has no RssShmem");
}

}  // namespace

std::unique_ptr<reference::Side> shoal_dict64(reference::Operation operation, std::size_t entries,
                                              std::uint64_t round) {
  return reference::dict_side<Managed<Dict64>>(operation, entries, round);
}
std::unique_ptr<reference::Side> shoal_dict8(reference::Operation operation, std::size_t entries,
                                             std::uint64_t round) {
  return reference::dict_side<Managed<Dict8>>(operation, entries, round);
}
std::unique_ptr<reference::Side> shoal_typed64(reference::Operation operation, std::size_t entries,
                                               std::uint64_t round) {
  return reference::dict_side<Managed<Typed64>>(operation, entries, round);
}
std::unique_ptr<reference::Side> shoal_pair(reference::Duties duties, std::size_t entries) {
  return std::make_unique<reference::PairSide<Pair>>(duties, entries);
}

reference::Tail shoal_growth(std::size_t entries) {
  Managed<Dict64> dict;
  return reference::time_growth(dict, entries);
}

double shoal_bytes_per_entry(std::size_t entries) {
  Managed<Dict64> dict;
  const std::uint64_t before = resident_shared_bytes();
  return reference::bytes_per_entry(dict, entries,
                                    [before] { return resident_shared_bytes() - before; });
}

}  // namespace bench
