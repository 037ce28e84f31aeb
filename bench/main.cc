// shoal_bench: measures shoal beside its references. Results go to stdout, progress to stderr.
#include <getopt.h>
#include <regex.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/goals.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/row.h"

namespace {

using bench::kRepsMax;
using bench::kRepsMin;
constexpr int kSelfCheckReps = 15;
constexpr double kSelfCheckLow = 0.95;
constexpr double kSelfCheckHigh = 1.05;

constexpr char kUsage[] =
    R"(usage: shoal_bench [--filter RE] [--json] [--reps N] [--self-check] [--check] [--list] [--goals FILE]

  --filter RE    only the rows whose name matches this extended regular expression
  --json         JSON on stdout instead of a table
  --reps N       repetitions of each row, 5 to 1000 (default 9; 15 with --self-check)
  --self-check   put the reference on both sides; exit 1 unless every ratio is 0.95 to 1.05
  --check        measure nothing; exit 1 if the rows and the list of goals do not agree
  --list         measure nothing; print the names of the rows
  --goals FILE   the list of goals (default: bench/goals.tsv of the sources)

Exit status: 0 done, 1 two sides had different results or a check failed, 2 bad usage.
)";

struct Arguments {
  std::string filter;
  std::string goals = SHOAL_SOURCE_DIR "/bench/goals.tsv";
  int reps = 0;  // 0: the default
  bool json = false;
  bool self_check = false;
  bool check = false;
  bool list = false;
};

[[noreturn]] void usage_error(const std::string& why) {
  std::fprintf(stderr, "shoal_bench: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

int parse_reps(const char* text) {
  char* end = nullptr;
  const long reps = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || reps < kRepsMin || reps > kRepsMax) {
    usage_error("--reps takes 5 to 1000, not " + std::string(text));
  }
  return static_cast<int>(reps);
}

Arguments parse(int argc, char** argv) {
  static const option kOptions[] = {{"filter", required_argument, nullptr, 'f'},
                                    {"goals", required_argument, nullptr, 'g'},
                                    {"reps", required_argument, nullptr, 'r'},
                                    {"json", no_argument, nullptr, 'j'},
                                    {"self-check", no_argument, nullptr, 's'},
                                    {"check", no_argument, nullptr, 'c'},
                                    {"list", no_argument, nullptr, 'l'},
                                    {"help", no_argument, nullptr, 'h'},
                                    {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  for (int found; (found = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    switch (found) {
      case 'f':
        arguments.filter = optarg;
        break;
      case 'g':
        arguments.goals = optarg;
        break;
      case 'r':
        arguments.reps = parse_reps(optarg);
        break;
      case 'j':
        arguments.json = true;
        break;
      case 's':
        arguments.self_check = true;
        break;
      case 'c':
        arguments.check = true;
        break;
      case 'l':
        arguments.list = true;
        break;
      case 'h':
        std::fputs(kUsage, stdout);
        std::exit(0);
      default:
        usage_error("that cannot be understood");
    }
  }
  if (optind < argc) usage_error("what is " + std::string(argv[optind]) + "?");
  return arguments;
}

std::vector<bench::Row> wanted_rows(const std::string& filter) {
  regex_t expression;
  if (::regcomp(&expression, filter.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    usage_error("--filter takes an extended regular expression, not " + filter);
  }
  std::vector<bench::Row> wanted;
  for (bench::Row& row : bench::all_rows()) {
    if (::regexec(&expression, row.name.c_str(), 0, nullptr, 0) == 0) wanted.push_back(row);
  }
  ::regfree(&expression);
  if (wanted.empty()) usage_error("no row matches " + filter + "; see --list");
  return wanted;
}

int check_list(const bench::Goals& goals) {
  std::vector<std::string> names;
  for (const bench::Row& row : bench::all_rows()) names.push_back(row.name);
  const std::vector<std::string> wrong = bench::differences(goals, names);
  for (const std::string& line : wrong) std::fprintf(stderr, "shoal_bench: %s\n", line.c_str());
  return wrong.empty() ? 0 : 1;
}

// Whether this result passes; says on stderr why not.
bool passes(const bench::Result& result, bool self_check) {
  if (!result.same_results) {
    std::fprintf(stderr, "shoal_bench: %s: the two sides had different results\n",
                 result.name.c_str());
    return false;
  }
  if (self_check && !(result.ratio() >= kSelfCheckLow && result.ratio() <= kSelfCheckHigh)) {
    std::fprintf(stderr,
                 "shoal_bench: %s: the reference is %.3f times itself; the machine is too noisy to "
                 "compare anything on it now\n",
                 result.name.c_str(), result.ratio());
    return false;
  }
  return true;
}

int run(const Arguments& arguments, const bench::Goals& goals) {
  bench::MeasureOptions options;
  options.self_check = arguments.self_check;
  if (arguments.self_check) options.reps = kSelfCheckReps;
  if (arguments.reps > 0) options.reps = arguments.reps;
  if (std::strcmp(SHOAL_BUILD_PRESET, "release") != 0) {
    std::fprintf(stderr, "shoal_bench: built by preset %s: figures count from release only\n",
                 SHOAL_BUILD_PRESET);
  }
  std::vector<bench::Result> results;
  bool good = true;
  for (const bench::Row& row : wanted_rows(arguments.filter)) {
    // There is no reference to put on both sides.
    if (arguments.self_check && !row.has_sides()) continue;
    if (!row.missing.empty()) {
      std::fprintf(stderr, "row %s: %s\n", row.name.c_str(), row.missing.c_str());
      continue;
    }
    std::fprintf(stderr, "%s ...\n", row.name.c_str());
    results.push_back(bench::measure(row, options));
    good = passes(results.back(), arguments.self_check) && good;
  }
  const std::string text =
      arguments.json ? bench::to_json(results) : bench::to_table(results, goals);
  std::fputs(text.c_str(), stdout);
  return good && std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  if (arguments.list) {
    for (const bench::Row& row : wanted_rows(arguments.filter)) std::puts(row.name.c_str());
    return 0;
  }
  const auto goals = bench::read_goals(arguments.goals);
  if (!goals.ok()) usage_error(std::string(goals.status().message()));
  return arguments.check ? check_list(*goals) : run(arguments, *goals);
}
