// The reference of the list/ rows: see list.h.
#include <mutex>
#include <vector>

#include "reference/list.h"

namespace reference {
namespace {

class VectorList {
 public:
  bool get(std::size_t index, std::int64_t* value) {
    const std::scoped_lock guard(mutex_);
    if (index >= values_.size()) return false;
    *value = values_[index];
    return true;
  }

  bool set(std::size_t index, std::int64_t value) {
    const std::scoped_lock guard(mutex_);
    if (index >= values_.size()) return false;
    values_[index] = value;
    return true;
  }

  bool append(std::int64_t value) {
    const std::scoped_lock guard(mutex_);
    values_.push_back(value);
    return true;
  }

  void renew() { values_ = {}; }

 private:
  std::mutex mutex_;
  std::vector<std::int64_t> values_;
};

}  // namespace

std::unique_ptr<Side> vector_list(ListOperation operation, std::uint64_t round) {
  return list_side<VectorList>(operation, round);
}

}  // namespace reference
