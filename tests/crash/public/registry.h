// Every public method of the kinds that live in shared memory: whether it changes something there,
// which some operation of operations.h must then sweep, or not. registry_test.cc compares it with
// the headers, so a new method has to say here what it is.
#pragma once

#include <map>
#include <set>
#include <string>

namespace shoal::test {

struct Methods {
  std::set<std::string> changing;
  std::set<std::string> looking;  // change nothing in shared memory
  // Calls of the manager, whose transactions are killed elsewhere: tests/torture.
  std::set<std::string> of_the_manager;
};

inline const std::map<std::string, Methods>& registry() {
  static const std::set<std::string> kLock = {"lock",         "try_lock",       "unlock",
                                              "try_lock_for", "try_lock_until", "acquire",
                                              "release",      "mark_consistent"};
  const auto with = [](std::set<std::string> all, const std::set<std::string>& more) {
    all.insert(more.begin(), more.end());
    return all;
  };
  static const std::map<std::string, Methods> kAll = {
      {"Lock", {kLock, {"locked", "abandoned"}, {}}},
      {"RLock", {kLock, {"locked", "abandoned", "depth"}, {}}},
      {"SharedLock",
       {with(kLock, {"lock_shared", "try_lock_shared", "unlock_shared", "try_lock_shared_for",
                     "try_lock_shared_until", "acquire_shared", "release_shared"}),
        {"locked", "abandoned", "readers"},
        {}}},
      {"Semaphore", {{"acquire", "try_acquire", "release"}, {"value"}, {}}},
      {"BoundedSemaphore", {{"acquire", "try_acquire", "release"}, {"value"}, {}}},
      {"Condition",
       {with(kLock, {"wait", "wait_for", "notify", "notify_all"}),
        {"locked", "abandoned", "depth", "waiters"},
        {}}},
      {"Event", {{"set", "clear", "wait"}, {"is_set"}, {}}},
      {"Barrier", {{"wait", "abort", "reset"}, {"parties", "n_waiting", "broken"}, {}}},
      {"Cell",
       {{"store", "exchange", "compare_exchange", "fetch_add", "fetch_sub", "fetch_and", "fetch_or",
         "fetch_xor", "wait", "notify", "lock"},
        {"load"},
        {"close"}}},
      {"Array", {{"set", "lock"}, {"data", "size", "empty", "get"}, {"close"}}},
      {"Dict",
       {{"put", "put_bytes", "put_text", "erase", "get_or_insert", "pop", "pop_item",
         "compare_and_swap", "increment", "clear", "update", "watch"},
        {"get", "get_into", "find_into", "get_as", "visit", "view", "contains", "size", "keys",
         "values", "items", "copy", "changes", "verify"},
        {}}},
      {"TypedDict",
       {{"put", "erase", "get_or_insert", "pop", "pop_item", "compare_and_swap", "increment",
         "clear", "update", "watch"},
        {"get", "find", "contains", "size", "keys", "values", "items", "changes", "verify"},
        {}}},
      {"Namespace", {{"set", "erase"}, {"get", "has", "names", "items", "verify"}, {"close"}}},
      {"List",
       {{"set", "append", "extend", "insert", "pop", "erase", "assign", "erase_slice", "clear",
         "reverse", "sort"},
        {"get", "get_as", "size", "items", "slice", "copy", "index", "count", "contains",
         "for_each", "verify"},
        {}}},
      // A transaction's own calls note what transact() then does: that is what is swept.
      {"Transaction", {{"put", "erase", "increment", "set", "append", "store"}, {}, {}}},
      {"ReadTransaction", {{}, {"get", "contains", "size", "load"}, {}}},
      {"ShareableList",
       {{"set", "set_int"},
        {"size", "empty", "get", "get_int", "get_double", "get_into", "index", "count", "format",
         "begin", "end", "memory", "name", "over"},
        {"close", "unlink"}}},
  };
  return kAll;
}

}  // namespace shoal::test
