// The dict/ rows about growing: the longest put, and the memory that an entry takes up.
#include "bench/row.h"
#include "bench/shoal_dict.h"
#include "reference/dict.h"

namespace bench {
namespace {

constexpr std::size_t kEntries = 10'000'000;
constexpr std::size_t kDoubled = 100'000;  // from there to twice as many
constexpr double kPlainBytes = reference::kKeyBytes + sizeof(reference::Bytes64);

}  // namespace

std::vector<Row> dict_growth_rows() {
  using namespace reference;
  return {{.name = "dict/longest_put_while_growing_to_10m",
           .reference_name = "median put of the same run",
           .tail = [] { return shoal_growth(kEntries); },
           .reps_max = kRepsMin},
          {.name = "dict/longest_put_while_growing_to_10m_vs_flat",
           .reference_name = "absl::flat_hash_map in process, its longest put",
           .reference_figure = [] { return flat_longest_put(kEntries); },
           .shoal_figure = [] { return shoal_growth(kEntries).worst_ns; },
           .reps_max = kRepsMin},
          {.name = "dict/bytes_per_entry64",
           .reference_name = "bytes of key and value",
           .reference_figure = [] { return kPlainBytes; },
           .shoal_figure = [] { return shoal_bytes_per_entry(kDoubled); },
           .unit = "bytes",
           .reps_max = kRepsMin},
          {.name = "dict/bytes_per_entry64_vs_flat",
           .reference_name = "absl::flat_hash_map of std::string keys in process",
           .reference_figure = [] { return flat_bytes_per_entry(kDoubled); },
           .shoal_figure = [] { return shoal_bytes_per_entry(kDoubled); },
           .unit = "bytes",
           .reps_max = kRepsMin}};
}

}  // namespace bench
