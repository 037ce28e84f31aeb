// The list/ rows: what a list that everybody shares costs over one of this process, under a lock.
#include <string>

#include "bench/row.h"
#include "reference/dict.h"
#include "reference/list.h"

namespace bench {
namespace {

using reference::ListOperation;

using MakeSide = std::unique_ptr<reference::Side> (*)(ListOperation, std::uint64_t round);

Row list_row(const std::string& name, const char* reference_name, ListOperation operation,
             MakeSide reference, std::uint64_t round) {
  return {.name = "list/" + name,
          .reference_name = reference_name,
          .operations = round,
          .reference = [=] { return reference(operation, round); }};
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
          list_row("set", kVector, ListOperation::kSet, vector_list, kListRound),
          list_row("append", kVector, ListOperation::kAppend, vector_list, kAppendRound),
          manager_row("get", ListOperation::kGet),
          manager_row("set", ListOperation::kSet),
          manager_row("append", ListOperation::kAppend)};
}

}  // namespace bench
