// The shareable_list/ rows: what the checks and the format of a list element cost over a copy of
// it.
#include <array>
#include <vector>

#include <shoal/shareable_list.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/memory.h"
#include "reference/work.h"

namespace bench {
namespace {

using reference::kListRound;
using reference::kListSize;
using reference::kTextBytes;

// A list of kListSize elements, and the order in which they are used.
class ListSide : public reference::Side {
 protected:
  explicit ListSide(shoal::Value (*initial)(std::size_t)) {
    shoal::ShareableListOptions options;
    for (std::size_t i = 0; i < kListSize; ++i) options.values.push_back(initial(i));
    list_ = must("create", shoal_.client.create<shoal::ShareableList>("list", options));
  }

  ManagedClient shoal_;
  shoal::ShareableList list_;
};

class GetInt final : public ListSide {
 public:
  GetInt() : ListSide([](std::size_t i) { return shoal::Value(reference::initial_int(i)); }) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      reference::list_round([&](std::size_t, std::size_t index) {
        const absl::StatusOr<std::int64_t> value =
            list_.get_int(static_cast<std::ptrdiff_t>(index));
        if (!value.ok()) must("get_int", value.status());
        sum += static_cast<std::uint64_t>(*value);
        reference::keep(sum);
      });
    }
    return sum;
  }
};

class SetInt final : public ListSide {
 public:
  SetInt() : ListSide([](std::size_t) { return shoal::Value(0); }) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      reference::list_round([&](std::size_t i, std::size_t index) {
        sum += list_.set_int(static_cast<std::ptrdiff_t>(index), reference::written_int(i)).ok()
                   ? 1
                   : 0;
        reference::keep(sum);
      });
    }
    return sum;
  }

  std::uint64_t digest() override {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < kListSize; ++i) {
      values.push_back(must("get_int", list_.get_int(static_cast<std::ptrdiff_t>(i))));
    }
    return reference::fold_words(values.data(), kListSize * 8);
  }
};

class GetText final : public ListSide {
 public:
  GetText() : ListSide([](std::size_t i) { return shoal::Value(reference::initial_text(i)); }) {}

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    std::array<char, kTextBytes> text;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      reference::list_round([&](std::size_t, std::size_t index) {
        const absl::StatusOr<std::size_t> length = list_.get_into(
            static_cast<std::ptrdiff_t>(index), std::as_writable_bytes(std::span(text)));
        if (!length.ok() || *length != kTextBytes) must("get_into", length.status());
        sum += reference::fold_text(text.data());
        reference::keep(sum);
      });
    }
    return sum;
  }
};

template <typename S>
std::unique_ptr<reference::Side> make() {
  return std::make_unique<S>();
}

Row list_row(const char* name, std::unique_ptr<reference::Side> (*reference)(),
             std::unique_ptr<reference::Side> (*shoal)()) {
  return {.name = name,
          .reference_name = "memcpy of the element",
          .operations = kListRound,
          .reference = reference,
          .shoal = shoal};
}

}  // namespace

std::vector<Row> shareable_list_rows() {
  return {list_row("shareable_list/get_int", reference::copy_int_out, make<GetInt>),
          list_row("shareable_list/set_int", reference::copy_int_in, make<SetInt>),
          list_row("shareable_list/get_str24", reference::copy_text_out, make<GetText>)};
}

}  // namespace bench
