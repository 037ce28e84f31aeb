// The list/ rows: what a list that everybody shares costs over one of this process, under a lock.
#include <string>

#include <shoal/list.h>

#include "bench/manager.h"
#include "bench/row.h"
#include "reference/dict.h"
#include "reference/list.h"

namespace bench {
namespace {

using reference::ListOperation;

// A failed call is told by its result.
class List {
 public:
  List() { renew(); }

  bool get(std::size_t index, std::int64_t* value) const {
    const auto found = list_.get_as<std::int64_t>(static_cast<std::ptrdiff_t>(index));
    if (!found.ok()) return false;
    *value = *found;
    return true;
  }

  bool set(std::size_t index, std::int64_t value) const {
    return list_.set(static_cast<std::ptrdiff_t>(index), value).ok();
  }

  bool append(std::int64_t value) const { return list_.append(value).ok(); }

  // Another list, under the name of the one before.
  void renew() {
    list_ = {};
    if (made_) must("unlink", shoal_.client.unlink(kName));
    list_ = must("create", shoal_.client.create<shoal::List>(kName));
    made_ = true;
  }

 private:
  static constexpr char kName[] = "list";

  ManagedClient shoal_;
  shoal::List list_;
  bool made_ = false;
};

using MakeSide = std::unique_ptr<reference::Side> (*)(ListOperation, std::uint64_t round);

Row list_row(const std::string& name, const char* reference_name, ListOperation operation,
             MakeSide make_reference, std::uint64_t round) {
  return {.name = "list/" + name,
          .reference_name = reference_name,
          .operations = round,
          .reference = [=] { return make_reference(operation, round); },
          .shoal = [=] { return reference::list_side<List>(operation, round); }};
}

Row manager_row(const std::string& name, ListOperation operation) {
  Row row = list_row(name + "_vs_manager", "Python's multiprocessing.Manager().list()", operation,
                     reference::python_list, reference::kShortListRound);
  row.missing = if_missing(reference::have_python(), "Python");
  return row;
}

}  // namespace

std::vector<Row> list_rows() {
  using namespace reference;
  constexpr char kVector[] = "std::vector under std::mutex";
  return {list_row("get", kVector, ListOperation::kGet, vector_list, kListRound),
          list_row("get_wide", kVector, ListOperation::kGetWide, vector_list, kListRound),
          list_row("set", kVector, ListOperation::kSet, vector_list, kListRound),
          list_row("append", kVector, ListOperation::kAppend, vector_list, kAppendRound),
          manager_row("get", ListOperation::kGet),
          manager_row("set", ListOperation::kSet),
          manager_row("append", ListOperation::kAppend)};
}

}  // namespace bench
