// The dict/..._vs_ rows of one process: the same figures beside what a user might pick to share a
// dict instead.
#include <string>

#include "bench/row.h"
#include "bench/shoal_dict.h"
#include "reference/dict.h"

namespace bench {
namespace {

using reference::Operation;

using MakeSide = std::unique_ptr<reference::Side> (*)(Operation, std::size_t entries,
                                                      std::uint64_t round);

struct Peer {
  const char* name;  // of the row
  const char* program;
  const char* reference_name;
  bool there;
  MakeSide make;
  bool slow;  // then a thousand entries tell everything, and rounds are short
};

Row peer_row(const char* what, Operation operation, const Peer& peer, const char* size,
             std::size_t entries) {
  const std::uint64_t round = peer.slow ? reference::kShortDictRound : reference::kDictRound;
  return {.name = std::string("dict/") + what + "_vs_" + peer.name + "/" + size,
          .reference_name = peer.reference_name,
          .operations = operation == Operation::kInsert ? entries : round,
          .reference = [=, make = peer.make] { return make(operation, entries, round); },
          .shoal = [=] { return shoal_dict64(operation, entries, round); },
          .missing = if_missing(peer.there, peer.program),
          .reps_max = entries >= 100'000 ? kRepsMin : kRepsMax};
}

void add(std::vector<Row>* rows, const char* what, Operation operation, const Peer& peer) {
  rows->push_back(peer_row(what, operation, peer, "1k", 1'000));
  if (peer.slow) return;
  rows->push_back(peer_row(what, operation, peer, "100k", 100'000));
  rows->push_back(peer_row(what, operation, peer, "1m", 1'000'000));
}

}  // namespace

std::vector<Row> dict_peer_rows() {
  using namespace reference;
  const Peer boost = {
      "boost", "Boost",      "Boost unordered_map under an interprocess_mutex in managed memory",
      true,    boost_dict64, false};
  const Peer sharable = {
      "boost_sharable",
      "Boost",
      "Boost unordered_map under an interprocess_sharable_mutex in managed memory",
      true,
      boost_sharable64,
      false};
  const Peer lmdb = {"lmdb",      "LMDB",      "LMDB in /dev/shm, NOSYNC and WRITEMAP",
                     have_lmdb(), lmdb_dict64, false};
  const Peer slow[] = {
      {"redis", "Redis", "Redis over its Unix socket", have_redis(), redis_dict64, true},
      {"memcached", "memcached", "memcached over its Unix socket", have_memcached(),
       memcached_dict64, true},
      {"manager", "Python", "Python's multiprocessing.Manager().dict()", have_python(),
       python_dict64, true}};
  std::vector<Row> rows;
  add(&rows, "get64", Operation::kGet, boost);
  add(&rows, "update64", Operation::kUpdate, boost);
  add(&rows, "insert64", Operation::kInsert, boost);
  add(&rows, "get64", Operation::kGet, sharable);
  add(&rows, "get64", Operation::kGet, lmdb);
  add(&rows, "update64", Operation::kUpdate, lmdb);
  for (const Peer& peer : slow) {
    add(&rows, "get64", Operation::kGet, peer);
    add(&rows, "update64", Operation::kUpdate, peer);
  }
  return rows;
}

}  // namespace bench
