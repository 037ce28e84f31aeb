// See campaign.h.
#include "tests/torture/campaign.h"

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace shoal::torture {
namespace {

using Json = nlohmann::ordered_json;

// Adds the counts of `from` to those of `to`.
void add_counts(Json& to, const Json& from) {
  for (const char* key : {"rounds", "kills", "stops", "violations"}) {
    to[key] = to.value(key, std::uint64_t{0}) + from.value(key, std::uint64_t{0});
  }
  to["seconds"] = to.value("seconds", 0.0) + from.value("seconds", 0.0);
  Json& kills = to["kills_per_operation"];
  if (kills.is_null()) kills = Json::object();
  for (const auto& [name, count] : from.at("kills_per_operation").items()) {
    kills[name] = kills.value(name, std::uint64_t{0}) + count.get<std::uint64_t>();
  }
}

}  // namespace

Campaign::Campaign(std::string path, const Run& run) : path_(std::move(path)), run_(run) {
  before_ = {
      {"version", 1}, {"campaign", run_.about}, {"total", Json::object()}, {"runs", Json::array()}};
  std::ifstream file(path_);
  if (path_.empty() || !file) return;
  before_ = Json::parse(file);
  if (before_.value("campaign", "") != run_.about || !before_.contains("runs")) {
    throw std::runtime_error(path_ + " is not the file of this campaign");
  }
}

Json* Campaign::entry(Json& all) const {
  for (Json& run : all["runs"]) {
    if (run.value("commit", "") == run_.commit && run.value("preset", "") == run_.preset &&
        run.value("seed", std::uint64_t{0}) == run_.seed) {
      return &run;
    }
  }
  return nullptr;
}

std::uint64_t Campaign::before(const char* what) const {
  Json all = before_;
  const Json* run = entry(all);
  return run == nullptr ? 0 : run->value(what, std::uint64_t{0});
}

void Campaign::write(const Tally& tally, double seconds,
                     const std::vector<std::uint64_t>& failed_seeds) {
  sitting_ = {{"commit", run_.commit},
              {"preset", run_.preset},
              {"seed", run_.seed},
              {"rounds", tally.rounds},
              {"kills", tally.kills},
              {"stops", tally.stops},
              {"violations", failed_seeds.size()},
              {"failed_seeds", failed_seeds},
              {"seconds", seconds},
              {"kills_per_operation", Json::object()}};
  for (std::size_t op = 0; op < tally.kills_in.size(); ++op) {
    if (tally.kills_in[op] > 0) {
      sitting_["kills_per_operation"][std::string(kOpNames[op])] = tally.kills_in[op];
    }
  }
  if (path_.empty()) return;
  Json all = before_;
  if (Json* run = entry(all)) {
    add_counts(*run, sitting_);
    for (const std::uint64_t seed : failed_seeds) (*run)["failed_seeds"].push_back(seed);
  } else {
    all["runs"].push_back(sitting_);
  }
  Json total = Json::object();
  for (const Json& run : all["runs"]) add_counts(total, run);
  all["total"] = total;
  // Whole or not at all.
  const std::string next = path_ + ".new";
  std::ofstream(next) << all.dump(2) << '\n';
  if (std::rename(next.c_str(), path_.c_str()) != 0) {
    throw std::runtime_error("cannot write " + path_);
  }
}

}  // namespace shoal::torture
