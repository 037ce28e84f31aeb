// The dict/ and typed_dict/ rows of one process: what a dict that everybody shares costs over one
// that nobody does.
#include <span>
#include <string>

#include "bench/row.h"
#include "bench/shoal_dict.h"
#include "reference/dict.h"

namespace bench {
namespace {

using reference::kDictRound;
using reference::Operation;

struct Size {
  const char* name;
  std::size_t entries;
};
constexpr Size kSizes[] = {
    {"1k", 1'000}, {"100k", 100'000}, {"1m", 1'000'000}, {"10m", 10'000'000}};
constexpr std::span<const Size> kAll(kSizes);
constexpr std::span<const Size> kToAMillion = kAll.first(3);

using MakeSide = std::unique_ptr<reference::Side> (*)(Operation, std::size_t entries,
                                                      std::uint64_t round);

// A row for each size.
void add(std::vector<Row>* rows, std::span<const Size> sizes, const std::string& name,
         const char* reference_name, Operation operation, MakeSide reference, MakeSide shoal) {
  for (const Size& size : sizes) {
    const std::size_t entries = size.entries;
    const bool whole = operation == Operation::kInsert;
    rows->push_back({.name = name + "/" + size.name,
                     .reference_name = reference_name,
                     .operations = whole ? entries : kDictRound,
                     .reference = [=] { return reference(operation, entries, kDictRound); },
                     .shoal = [=] { return shoal(operation, entries, kDictRound); }});
  }
}

}  // namespace

std::vector<Row> dict_rows() {
  constexpr char kFlat64[] = "absl::flat_hash_map of std::string keys in process";
  constexpr char kFlat8[] = "absl::flat_hash_map from std::string to int64 in process";
  constexpr char kTyped[] = "absl::flat_hash_map of std::array<char,16> keys in process";
  using namespace reference;
  std::vector<Row> rows;
  add(&rows, kAll, "dict/get64", kFlat64, Operation::kGet, flat_dict64, shoal_dict64);
  add(&rows, kAll, "dict/miss64", kFlat64, Operation::kMiss, flat_dict64, shoal_dict64);
  add(&rows, kAll, "dict/update64", kFlat64, Operation::kUpdate, flat_dict64, shoal_dict64);
  add(&rows, kAll, "dict/insert64", kFlat64, Operation::kInsert, flat_dict64, shoal_dict64);
  add(&rows, kToAMillion, "dict/get8", kFlat8, Operation::kGet, flat_dict8, shoal_dict8);
  add(&rows, kToAMillion, "dict/update8", kFlat8, Operation::kUpdate, flat_dict8, shoal_dict8);
  add(&rows, kToAMillion, "dict/increment", kFlat8, Operation::kIncrement, flat_dict8, shoal_dict8);
  add(&rows, kToAMillion, "typed_dict/get64", kTyped, Operation::kGet, flat_typed64, shoal_typed64);
  add(&rows, kToAMillion, "typed_dict/update64", kTyped, Operation::kUpdate, flat_typed64,
      shoal_typed64);
  return rows;
}

}  // namespace bench
