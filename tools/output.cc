// What leaves the program: answers on stdout, everything else on stderr, and the exit status.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "tools/command.h"
#include "tools/format.h"

namespace shoal::tools {
namespace {

int exit_status(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kUnavailable:
      return kNoManager;
    case absl::StatusCode::kDataLoss:
      return kDamaged;
    default:
      return kRefused;
  }
}

}  // namespace

void note(const std::string& message) {
  std::fprintf(stderr, "shoalctl: %s\n", harmless(message).c_str());
}

int fail(const absl::Status& status) {
  const std::string message(status.message());
  note(message.empty() ? absl::StatusCodeToString(status.code()) : message);
  return exit_status(status.code());
}

int fail_usage(const Invocation& asked, const std::string& message) {
  const std::string topic =
      asked.command == nullptr ? asked.group : std::string(asked.command->name);
  note(absl::StrCat(message, "; see: shoalctl help", topic.empty() ? "" : " ", topic));
  return kBadUsage;
}

// stdio remembers a failed write; run() asks for it at the end.
void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run(std::span<const std::string> arguments) {
  Invocation asked;
  if (const absl::Status parsed = parse(arguments, asked); !parsed.ok()) {
    return fail_usage(asked, std::string(parsed.message()));
  }
  int status = run_parsed(asked);
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    const char* reason = errno == 0 ? "a write failed" : std::strerror(errno);
    note(absl::StrCat("the output is not complete: ", reason));
    if (status == kDone) status = kRefused;
  }
  return status;
}

}  // namespace shoal::tools
