// References of the rows that only touch memory: memcpy to and from a warm anonymous shared
// mapping. Knows nothing of shoal.
#pragma once

#include <cstddef>
#include <memory>

#include "reference/side.h"

namespace reference {

// Zeroed, resident shared memory of this process and its children.
class SharedMapping {
 public:
  explicit SharedMapping(std::size_t bytes);
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping();

  [[nodiscard]] char* data() const { return start_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  std::size_t bytes_;
  char* start_;
};

// A round is a memcpy of kBulkBytes into each of kBulkTargets mappings.
std::unique_ptr<Side> copy_bulk();

// A round is kListRound copies of one element, in the order of list_round().
std::unique_ptr<Side> copy_int_out();
std::unique_ptr<Side> copy_int_in();
std::unique_ptr<Side> copy_text_out();

}  // namespace reference
