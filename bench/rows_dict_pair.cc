// The dict/ rows in which two processes use one dict: what that costs over being alone with it,
// and, as rows named ..._vs_..., beside other dicts that two processes use alike.
#include <string>

#include "bench/row.h"
#include "bench/shoal_dict.h"
#include "reference/dict.h"

namespace bench {
namespace {

using reference::Duties;
using Own = Duties::Own;
using Other = Duties::Other;

struct Size {
  const char* name;
  std::size_t entries;
};
constexpr Size k1k = {"1k", 1'000};
constexpr Size k100k = {"100k", 100'000};
constexpr Size k1m = {"1m", 1'000'000};

using MakePair = std::unique_ptr<reference::Side> (*)(Duties, std::size_t entries);

// `alone` are the reference's duties, `together` shoal's.
Row pair_row(const std::string& name, const Size& size, const char* reference_name,
             MakePair reference, Duties alone, Duties together) {
  const std::size_t entries = size.entries;
  return {.name = "dict/" + name + "/" + size.name,
          .reference_name = reference_name,
          .operations = reference::kShortDictRound,
          .two_processes = true,
          .pinned = true,
          .reference = [=] { return reference(alone, entries); },
          .shoal = [=] { return shoal_pair(together, entries); }};
}

void add(std::vector<Row>* rows, const std::string& name, const char* alone_name, Duties together,
         const std::vector<Size>& sizes) {
  const Duties alone = {together.own, Other::kNothing};
  for (const Size& size : sizes) {
    rows->push_back(pair_row(name, size, alone_name, shoal_pair, alone, together));
  }
}

struct Peer {
  const char* name;
  const char* reference_name;
  std::string missing;
  MakePair make;
};

void add_peer(std::vector<Row>* rows, const std::string& name, const Peer& peer, Duties together,
              const std::vector<Size>& sizes) {
  for (const Size& size : sizes) {
    rows->push_back(pair_row(name + "_vs_" + peer.name, size, peer.reference_name, peer.make,
                             together, together));
    rows->back().missing = peer.missing;
  }
}

}  // namespace

std::vector<Row> dict_pair_rows() {
  using namespace reference;
  constexpr Duties kBesideWriter = {Own::kGet, Other::kUpdateAllTheTime};
  constexpr Duties kTwoReaders = {Own::kGet, Other::kTheSame};
  constexpr Duties kTwoWriters = {Own::kUpdate, Other::kTheSame};
  const Peer boost = {"boost", "Boost unordered_map under an interprocess_mutex, the same", "",
                      boost_pair};
  const Peer sharable = {"boost",
                         "Boost unordered_map under an interprocess_sharable_mutex, the same", "",
                         boost_sharable_pair};
  const Peer lmdb = {"lmdb", "LMDB, the same", if_missing(have_lmdb(), "LMDB"), lmdb_pair};

  std::vector<Row> rows;
  add(&rows, "get64_beside_writer", "the same get alone", kBesideWriter, {k1k});
  add(&rows, "two_readers", "one reader alone, per process", kTwoReaders, {k1k, k100k, k1m});
  add(&rows, "two_writers", "one writer alone, per process", kTwoWriters, {k1k, k100k});
  add_peer(&rows, "get64_beside_writer", sharable, kBesideWriter, {k1k});
  add_peer(&rows, "get64_beside_writer", lmdb, kBesideWriter, {k1k});
  for (const Peer& peer : {boost, lmdb}) {
    add_peer(&rows, "two_readers", peer, kTwoReaders, {k1k, k100k});
    add_peer(&rows, "two_writers", peer, kTwoWriters, {k1k, k100k});
  }
  return rows;
}

}  // namespace bench
