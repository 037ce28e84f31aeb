// How results are shown: JSON for programs, a table for people.
#pragma once

#include <string>
#include <vector>

#include "bench/goals.h"
#include "bench/measure.h"

namespace bench {

// {"version":1,"rows":[...]}, as described in docs/internals/benchmarks.md.
std::string to_json(const std::vector<Result>& results);

std::string to_table(const std::vector<Result>& results, const Goals& goals);

// The commit that the sources are at, "-dirty" behind it if they were changed since; "unknown"
// where git cannot say.
std::string source_commit();

}  // namespace bench
