// Aligned columns for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace shoal::tools {

class Table {
 public:
  // A heading that begins with '>' makes a column of numbers, aligned to the right.
  explicit Table(std::vector<std::string> headings);

  // `cells` has as many as there are headings. They are printed as they are: escape what came from
  // elsewhere first.
  void add(std::vector<std::string> cells);

  [[nodiscard]] bool empty() const { return rows_.size() == 1; }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the first holds the headings
};

}  // namespace shoal::tools
