// References by Boost.Interprocess, of a dict: see dict.h.
#include <optional>

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/interprocess/sync/sharable_lock.hpp>
#include <boost/unordered_map.hpp>

#include "reference/dict.h"
#include "reference/memory.h"

namespace reference {
namespace {

namespace ipc = boost::interprocess;

using Segment = ipc::managed_external_buffer;
template <typename T>
using Allocator = ipc::allocator<T, Segment::segment_manager>;
using Text = ipc::basic_string<char, std::char_traits<char>, Allocator<char>>;

inline std::string_view view(const Text& text) { return {text.data(), text.size()}; }
inline std::string_view view(std::string_view text) { return text; }

// Both take what is stored and what is looked up, so that a lookup makes no string.
struct Hash {
  template <typename T>
  std::size_t operator()(const T& text) const {
    return std::hash<std::string_view>()(view(text));
  }
};
struct Equal {
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return view(a) == view(b);
  }
};

using Map =
    boost::unordered_map<Text, Bytes64, Hash, Equal, Allocator<std::pair<const Text, Bytes64>>>;

struct Exclusive {
  using Mutex = ipc::interprocess_mutex;
  using ReadGuard = ipc::scoped_lock<Mutex>;
};
struct Sharable {
  using Mutex = ipc::interprocess_sharable_mutex;
  using ReadGuard = ipc::sharable_lock<Mutex>;
};

// What is in the segment.
template <typename Lock>
struct Shared {
  explicit Shared(Segment::segment_manager* manager)
      : map(0, Hash(), Equal(), Allocator<Map::value_type>(manager)) {}

  typename Lock::Mutex mutex;
  Map map;
};

template <typename Lock>
class BoostDict {
 public:
  using Value = Bytes64;

  explicit BoostDict(Shared<Lock>* shared) : shared_(shared) {}

  bool get(const Key& key, Value* value) const {
    const typename Lock::ReadGuard guard(shared_->mutex);
    const auto found = shared_->map.find(reference::view(key), Hash(), Equal());
    if (found == shared_->map.end()) return false;
    *value = found->second;
    return true;
  }

  bool put(const Key& key, const Value& value) {
    const ipc::scoped_lock<typename Lock::Mutex> guard(shared_->mutex);
    Map& map = shared_->map;
    const auto found = map.find(reference::view(key), Hash(), Equal());
    if (found != map.end()) {
      found->second = value;
      return true;
    }
    return map.emplace(Text(key.data(), key.size(), map.get_allocator()), value).second;
  }

 protected:
  Shared<Lock>* shared_;
};

// In memory that forked processes share, its pages there from the start.
template <typename Lock>
class OwnedBoostDict : public BoostDict<Lock> {
 public:
  explicit OwnedBoostDict(std::size_t entries)
      : BoostDict<Lock>(nullptr), bytes_(entries * 256 + (1 << 20)), mapping_(bytes_) {
    renew();
  }

  // Over the same memory.
  void renew() {
    segment_.emplace(ipc::create_only, mapping_.data(), bytes_);
    this->shared_ =
        segment_->construct<Shared<Lock>>(ipc::unique_instance)(segment_->get_segment_manager());
  }

 private:
  std::size_t bytes_;
  SharedMapping mapping_;
  std::optional<Segment> segment_;
};

template <typename Lock>
class BoostPair {
 public:
  using Dict = BoostDict<Lock>;

  template <typename Make>
  BoostPair(std::size_t entries, Make make)
      : owned_(entries),
        peer_([this, make](PeerPage& page, const char*) { return make(page, dict()); }) {}

  Dict dict() { return owned_; }
  Peer& peer() { return peer_; }
  void begin() { peer_.begin(); }

 private:
  OwnedBoostDict<Lock> owned_;
  Peer peer_;
};

}  // namespace

std::unique_ptr<Side> boost_dict64(Operation operation, std::size_t entries, std::uint64_t round) {
  return dict_side<OwnedBoostDict<Exclusive>>(operation, entries, round, entries);
}
std::unique_ptr<Side> boost_sharable64(Operation operation, std::size_t entries,
                                       std::uint64_t round) {
  return dict_side<OwnedBoostDict<Sharable>>(operation, entries, round, entries);
}
std::unique_ptr<Side> boost_pair(Duties duties, std::size_t entries) {
  return std::make_unique<PairSide<BoostPair<Exclusive>>>(duties, entries);
}
std::unique_ptr<Side> boost_sharable_pair(Duties duties, std::size_t entries) {
  return std::make_unique<PairSide<BoostPair<Sharable>>>(duties, entries);
}

}  // namespace reference
