// References by LMDB, where it is installed: see dict.h.
#include "reference/dict.h"

#if BENCH_HAVE_LMDB
#include <lmdb.h>

#include <cstring>

#include "reference/scratch.h"

namespace reference {
namespace {

void must(const char* what, int error) {
  if (error != 0) give_up(what, ::mdb_strerror(error));
}

// A database that this process has opened; no process may inherit it.
class Environment {
 public:
  Environment(const std::string& folder, std::size_t entries) {
    constexpr std::size_t kBytesAnEntry = 512;  // with the pages that writers copied
    must("mdb_env_create", ::mdb_env_create(&environment_));
    must("mdb_env_set_mapsize",
         ::mdb_env_set_mapsize(environment_, entries * kBytesAnEntry + (64 << 20)));
    // A reader's slot belongs to its transaction, which is renewed for every lookup.
    must("mdb_env_open",
         ::mdb_env_open(environment_, folder.c_str(), MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS, 0600));
    MDB_txn* first = nullptr;
    must("mdb_txn_begin", ::mdb_txn_begin(environment_, nullptr, 0, &first));
    must("mdb_dbi_open", ::mdb_dbi_open(first, nullptr, 0, &table_));
    must("mdb_txn_commit", ::mdb_txn_commit(first));
    must("mdb_txn_begin", ::mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading_));
    ::mdb_txn_reset(reading_);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    ::mdb_txn_abort(reading_);
    ::mdb_env_close(environment_);
  }

  bool get(MDB_val key, Bytes64* value) {
    MDB_val found{};
    must("mdb_txn_renew", ::mdb_txn_renew(reading_));
    const int error = ::mdb_get(reading_, table_, &key, &found);
    if (error == 0 && found.mv_size == value->size()) {
      std::memcpy(value->data(), found.mv_data, value->size());
    }
    ::mdb_txn_reset(reading_);
    return error == 0;
  }

  bool put(MDB_val key, const Bytes64& value) {
    MDB_val stored{value.size(), const_cast<char*>(value.data())};
    MDB_txn* writing = nullptr;
    must("mdb_txn_begin", ::mdb_txn_begin(environment_, nullptr, 0, &writing));
    must("mdb_put", ::mdb_put(writing, table_, &key, &stored, 0));
    return ::mdb_txn_commit(writing) == 0;
  }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_txn* reading_ = nullptr;
};

class LmdbDict {
 public:
  using Value = Bytes64;

  LmdbDict(const std::string& folder, std::size_t entries)
      : environment_(std::make_shared<Environment>(folder, entries)) {}

  bool get(const Key& key, Value* value) { return environment_->get(of(key), value); }
  bool put(const Key& key, const Value& value) { return environment_->put(of(key), value); }

 private:
  static MDB_val of(const Key& key) { return {key.size(), const_cast<char*>(key.data())}; }

  std::shared_ptr<Environment> environment_;
};

// The folder goes last.
struct InScratch {
  ScratchFolder folder;
};
struct OwnedLmdbDict : private InScratch, public LmdbDict {
  explicit OwnedLmdbDict(std::size_t entries) : InScratch(), LmdbDict(folder.path(), entries) {}
};

class LmdbPair {
 public:
  using Dict = LmdbDict;

  template <typename Make>
  LmdbPair(std::size_t entries, Make make)
      : folder_(),
        peer_([entries, make](PeerPage& page, const char* folder) {
          return make(page, LmdbDict(folder, entries));
        }),
        dict_(folder_.path(), entries) {}

  Dict dict() { return dict_; }
  Peer& peer() { return peer_; }
  void begin() { peer_.begin(folder_.path()); }

 private:
  ScratchFolder folder_;
  Peer peer_;
  LmdbDict dict_;
};

}  // namespace

bool have_lmdb() { return true; }
std::unique_ptr<Side> lmdb_dict64(Operation operation, std::size_t entries, std::uint64_t round) {
  return dict_side<OwnedLmdbDict>(operation, entries, round, entries);
}
std::unique_ptr<Side> lmdb_pair(Duties duties, std::size_t entries) {
  return std::make_unique<PairSide<LmdbPair>>(duties, entries);
}

}  // namespace reference

#else

namespace reference {

bool have_lmdb() { return false; }
std::unique_ptr<Side> lmdb_dict64(Operation, std::size_t, std::uint64_t) {
  give_up("LMDB", "is not installed");
}
std::unique_ptr<Side> lmdb_pair(Duties, std::size_t) { give_up("LMDB", "is not installed"); }

}  // namespace reference

#endif
