// Aligned columns. See table.h.
#include "tools/table.h"

#include <algorithm>
#include <utility>

#include "tools/format.h"

namespace shoal::tools {

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    const bool right = heading.starts_with('>');
    if (right) heading.erase(0, 1);
    right_.push_back(right);
  }
  rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(right_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (std::size_t at = 0; at < row.size(); ++at) {
      widths[at] = std::max(widths[at], columns(row[at]));
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t at = 0; at < row.size(); ++at) {
      const std::string padding(widths[at] - columns(row[at]), ' ');
      if (at > 0) line += "  ";
      line += right_[at] ? padding + row[at] : row[at] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace shoal::tools
