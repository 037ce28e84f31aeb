// See report.h.
#include "bench/report.h"

#include <cstdio>
#include <cstdlib>

#include <nlohmann/json.hpp>

namespace bench {
namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// Nanoseconds with a unit that keeps the number short.
std::string duration(double ns) {
  if (ns < 1e3) return fixed(ns, ns < 10 ? 2 : 1) + " ns";
  if (ns < 1e6) return fixed(ns / 1e3, 2) + " us";
  return fixed(ns / 1e6, 2) + " ms";
}

std::string figure(double value, const std::string& unit) {
  return unit == "ns" ? duration(value) : fixed(value, 1) + " " + unit;
}

std::string verdict(const Result& result, const Goals& goals, std::string* goal_text) {
  const auto found = goals.find(result.name);
  if (found == goals.end() || !found->second || result.tail) {
    *goal_text = "-";
    return "";
  }
  *goal_text = fixed(*found->second, 2);
  return result.ratio() <= *found->second ? "met" : "MISSED";
}

using Json = nlohmann::ordered_json;

void add_tail(const reference::Tail& tail, Json* row) {
  (*row)["worst_us"] = tail.worst_ns / 1e3;
  (*row)["p99_us"] = tail.p99_ns / 1e3;
  (*row)["p999_us"] = tail.p999_ns / 1e3;
}

}  // namespace

std::string source_commit() {
  ::setenv("BENCH_SOURCES", SHOAL_SOURCE_DIR, 1);
  std::FILE* git = ::popen(
      "git -C \"$BENCH_SOURCES\" describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null",
      "r");
  ::unsetenv("BENCH_SOURCES");
  if (git == nullptr) return "unknown";
  char line[128] = "";
  const bool got = std::fgets(line, sizeof line, git) != nullptr;
  ::pclose(git);
  std::string commit = got ? line : "";
  while (!commit.empty() && commit.back() == '\n') commit.pop_back();
  return commit.empty() ? "unknown" : commit;
}

std::string to_json(const std::vector<Result>& results) {
  Json rows = Json::array();
  const std::string commit = source_commit();
  for (const Result& result : results) {
    Json row;
    row["name"] = result.name;
    row["unit"] = result.unit;
    row["shoal"] = result.shoal_median();
    row["reference"] = result.tail ? Json(nullptr) : Json(result.reference_median());
    row["reference_name"] = result.reference_name;
    row["ratio"] = result.tail ? Json(nullptr) : Json(result.ratio());
    if (result.tail) add_tail(*result.tail, &row);
    row["reps"] = result.shoal.size();
    row["spread"] = result.tail ? Json(nullptr) : Json(result.spread());
    row["samples"] = {{"shoal", result.shoal}, {"reference", result.reference}};
    row["commit"] = commit;
    row["preset"] = SHOAL_BUILD_PRESET;
    row["placement_ns"] = result.placement_ns ? Json(*result.placement_ns) : Json(nullptr);
    rows.push_back(std::move(row));
  }
  const Json all = {{"version", 1}, {"rows", std::move(rows)}};
  return all.dump() + "\n";
}

std::string to_table(const std::vector<Result>& results, const Goals& goals) {
  std::string table;
  const auto line = [&](const char* name, const char* shoal, const char* reference,
                        const char* ratio, const char* goal, const char* met, const char* spread,
                        const char* placement) {
    char text[256];
    std::snprintf(text, sizeof text, "%-38s %11s %11s %7s %6s %-7s %7s %10s\n", name, shoal,
                  reference, ratio, goal, met, spread, placement);
    table += text;
  };
  line("row", "shoal", "reference", "ratio", "goal", "", "spread", "placement");
  for (const Result& result : results) {
    std::string goal;
    const std::string met = verdict(result, goals, &goal);
    if (result.tail) {
      line(result.name.c_str(), duration(result.shoal_median()).c_str(), "", "-", "-", "", "", "");
      table += "  p99 " + duration(result.tail->p99_ns) + ", p99.9 " +
               duration(result.tail->p999_ns) + ", worst " + duration(result.tail->worst_ns) + "\n";
      continue;
    }
    const std::string placement = result.placement_ns ? fixed(*result.placement_ns, 0) + " ns" : "";
    line(result.name.c_str(), figure(result.shoal_median(), result.unit).c_str(),
         figure(result.reference_median(), result.unit).c_str(), fixed(result.ratio(), 2).c_str(),
         goal.c_str(), met.c_str(), (fixed(result.spread() * 100, 1) + "%").c_str(),
         placement.c_str());
  }
  return table;
}

}  // namespace bench
