// References of the dict/ and typed_dict/ rows: what a program has in its own memory, and what a
// user would pick to share a dict between processes. Knows nothing of shoal.
#pragma once

#include <memory>
#include <string>

#include "reference/dict_pair.h"
#include "reference/dict_walk.h"
#include "reference/growth.h"
#include "reference/side.h"

namespace reference {

// absl::flat_hash_map in process, of std::string keys looked up by std::string_view, to 64 bytes or
// to an int64; and of keys of a fixed size.
std::unique_ptr<Side> flat_dict64(Operation operation, std::size_t entries, std::uint64_t round);
std::unique_ptr<Side> flat_dict8(Operation operation, std::size_t entries, std::uint64_t round);
std::unique_ptr<Side> flat_typed64(Operation operation, std::size_t entries, std::uint64_t round);

// Nanoseconds of the longest put while it grows, and its bytes for an entry of 16 + 64.
double flat_longest_put(std::size_t entries);
double flat_bytes_per_entry(std::size_t entries);

// boost::unordered_map in managed shared memory under an interprocess_mutex, or _sharable_mutex.
std::unique_ptr<Side> boost_dict64(Operation operation, std::size_t entries, std::uint64_t round);
std::unique_ptr<Side> boost_sharable64(Operation operation, std::size_t entries,
                                       std::uint64_t round);
std::unique_ptr<Side> boost_pair(Duties duties, std::size_t entries);
std::unique_ptr<Side> boost_sharable_pair(Duties duties, std::size_t entries);

// LMDB in /dev/shm, neither synced nor copied (MDB_NOSYNC, MDB_WRITEMAP); a transaction each.
std::unique_ptr<Side> lmdb_dict64(Operation operation, std::size_t entries, std::uint64_t round);
std::unique_ptr<Side> lmdb_pair(Duties duties, std::size_t entries);

// Servers over their Unix sockets, one request at a time.
std::unique_ptr<Side> redis_dict64(Operation operation, std::size_t entries, std::uint64_t round);
std::unique_ptr<Side> memcached_dict64(Operation operation, std::size_t entries,
                                       std::uint64_t round);

// multiprocessing.Manager().dict(), used and timed by Python.
std::unique_ptr<Side> python_dict64(Operation operation, std::size_t entries, std::uint64_t round);

// Whether it is on this machine.
bool have_lmdb();
bool have_redis();
bool have_memcached();
bool have_python();

}  // namespace reference
