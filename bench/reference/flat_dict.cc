// References by absl::flat_hash_map: see dict.h.
#include <malloc.h>

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "reference/dict.h"

namespace reference {
namespace {

// What the map looks up without making a std::string; not always the same type as std's.
absl::string_view text(const Key& key) { return {key.data(), key.size()}; }

template <typename V>
class FlatDict {
 public:
  using Value = V;

  bool get(const Key& key, Value* value) const {
    const auto found = map_.find(text(key));
    if (found == map_.end()) return false;
    *value = found->second;
    return true;
  }

  bool put(const Key& key, const Value& value) {
    map_.insert_or_assign(text(key), value);
    return true;
  }

  std::int64_t increment(const Key& key) requires std::is_integral_v<V> {
    return ++map_[text(key)];
  }

  void renew() { map_ = {}; }

 private:
  absl::flat_hash_map<std::string, Value> map_;
};

class FlatTyped {
 public:
  using Value = Bytes64;

  bool get(const Key& key, Value* value) const {
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    *value = found->second;
    return true;
  }

  bool put(const Key& key, const Value& value) {
    map_.insert_or_assign(key, value);
    return true;
  }

 private:
  absl::flat_hash_map<Key, Value> map_;
};

// Whether the C library gives memory back to the kernel at once or keeps it depends on all that the
// process has freed before. Here it always is as in a process that has been at work for a while:
// only blocks of more than 32 MiB are new from the kernel each time.
void settle_allocator() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

// What this process's allocator has handed out.
double allocated() {
  const auto info = ::mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

}  // namespace

std::unique_ptr<Side> flat_dict64(Operation operation, std::size_t entries, std::uint64_t round) {
  settle_allocator();
  return dict_side<FlatDict<Bytes64>>(operation, entries, round);
}
std::unique_ptr<Side> flat_dict8(Operation operation, std::size_t entries, std::uint64_t round) {
  return dict_side<FlatDict<std::int64_t>>(operation, entries, round);
}
std::unique_ptr<Side> flat_typed64(Operation operation, std::size_t entries, std::uint64_t round) {
  return dict_side<FlatTyped>(operation, entries, round);
}

double flat_longest_put(std::size_t entries) {
  FlatDict<Bytes64> dict;
  return time_growth(dict, entries).worst_ns;
}

double flat_bytes_per_entry(std::size_t entries) {
  FlatDict<Bytes64> dict;
  const double before = allocated();
  return bytes_per_entry(dict, entries, [before] { return allocated() - before; });
}

}  // namespace reference
