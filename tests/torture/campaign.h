// The figures of many sittings, added up in a file: docs/campaigns/sync.json, containers.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/torture/round.h"

namespace shoal::torture {

class Campaign {
 public:
  struct Run {
    std::string about;
    std::string commit;
    std::string preset;
    std::uint64_t seed = 0;
  };

  // No file: an empty path. Throws if the file is not one of ours.
  Campaign(std::string path, const Run& run);

  // The first round that was not played yet with this commit, preset and seed.
  [[nodiscard]] std::uint64_t next_round() const { return before("rounds"); }
  // How many there were in all sittings with this commit, preset and seed before this one.
  [[nodiscard]] std::uint64_t kills_before() const { return before("kills"); }

  // Writes what was there before with this sitting, as far as it has got, added to it.
  void write(const Tally& tally, double seconds, const std::vector<std::uint64_t>& failed_seeds);

  // The sitting alone, as it was written.
  [[nodiscard]] const nlohmann::ordered_json& sitting() const { return sitting_; }

 private:
  [[nodiscard]] std::uint64_t before(const char* what) const;
  nlohmann::ordered_json* entry(nlohmann::ordered_json& all) const;

  std::string path_;
  Run run_;
  nlohmann::ordered_json before_;
  nlohmann::ordered_json sitting_;
};

}  // namespace shoal::torture
