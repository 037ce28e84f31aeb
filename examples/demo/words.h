// The words as they stand in the Dict when all is done: the most frequent ones, and whether they
// are what one process alone counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <shoal/dict.h>

namespace demo {

// The most frequent first.
using SharedWords = std::vector<std::pair<std::string, std::int64_t>>;

absl::StatusOr<SharedWords> words_in(const shoal::Dict& dict);

void show_top(const SharedWords& words);

// INTERNAL: a word was lost, or counted twice. `total`: what they must add up to.
absl::Status same_words(const SharedWords& words, std::span<const std::byte> text,
                        std::int64_t total);

}  // namespace demo
