// See words.h.
#include "examples/demo/words.h"

#include <algorithm>
#include <iomanip>
#include <iostream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "examples/demo/count.h"

namespace demo {
namespace {

constexpr std::size_t kTop = 10;

// Words are any bytes; a terminal gets text.
std::string shown(const std::string& word) {
  constexpr std::size_t kMost = 40;
  std::string text = absl::CHexEscape(word.substr(0, kMost));
  return word.size() > kMost ? text + "..." : text;
}

}  // namespace

absl::StatusOr<SharedWords> words_in(const shoal::Dict& dict) {
  const absl::StatusOr<std::vector<shoal::DictEntry>> entries = dict.items();
  if (!entries.ok()) return entries.status();
  SharedWords words;
  words.reserve(entries->size());
  for (const shoal::DictEntry& entry : *entries) {
    const shoal::Bytes* word = entry.key.as_bytes();
    const std::int64_t* count = entry.value.as_int();
    if (word == nullptr || count == nullptr) {
      return absl::InternalError("the Dict has an entry that is no count of a word");
    }
    words.emplace_back(word->view(), *count);
  }
  std::ranges::sort(words, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return words;
}

void show_top(const SharedWords& words) {
  std::cout << "\nthe most frequent words:\n";
  for (std::size_t i = 0; i < std::min(kTop, words.size()); ++i) {
    std::cout << std::setw(10) << words[i].second << "  " << shown(words[i].first) << '\n';
  }
}

absl::Status same_words(const SharedWords& words, std::span<const std::byte> text,
                        std::int64_t total) {
  WordCounts alone;
  add_words(text, 0, text.size(), alone);
  std::int64_t sum = 0;
  for (const auto& [word, count] : words) {
    const auto found = alone.find(word);
    const std::int64_t wanted = found == alone.end() ? 0 : found->second;
    if (count != wanted) {
      return absl::InternalError(absl::StrCat("the word ", shown(word), " was counted ", count,
                                              " times by all, ", wanted, " times by one"));
    }
    sum += count;
  }
  if (words.size() != alone.size() || sum != total) {
    return absl::InternalError(absl::StrCat(words.size(), " different words, ", sum,
                                            " in all, were counted; there are ", alone.size(),
                                            ", and ", total));
  }
  std::cout << "\none process alone counts the same " << words.size() << " words, " << sum
            << " in all\n";
  return absl::OkStatus();
}

}  // namespace demo
