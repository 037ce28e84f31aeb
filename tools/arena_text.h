// What arenas look like in answers: shared by `arena` and `df`.
#pragma once

#include <cstdint>
#include <string>

#include <shoal/arena.h>

#include "tools/json.h"

namespace shoal::tools {

void add_json(Json& json, const ArenaInfo& arena);

// How much of its quota is used.
std::string used_text(const ArenaInfo& arena);

// "12.5%"; "-" of nothing.
std::string percent_text(std::uint64_t part, std::uint64_t whole);

}  // namespace shoal::tools
