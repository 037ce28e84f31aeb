// shoal's main job on a real file: worker processes count its lines, words and bytes in shared
// memory, and how often each word comes in one Dict; one is killed with SIGKILL in the middle of a
// transaction, its slice is done again, and the words are compared with those of a count by one
// process, the totals with those of wc.
//
//   shoal_demo [FILE]
//
// The last three lines of stdout are "lines N", "words N" and "bytes N". Exit status: 0 if wc says
// the same, 1 if not or if something failed, 2 for a file that cannot be read, 128 and the signal's
// number after an interrupt. Nothing is left behind, however it ends: the manager is a private one.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <shoal/shoal.h>

#include "examples/demo/child.h"
#include "examples/demo/count.h"
#include "examples/demo/interrupt.h"
#include "examples/demo/job.h"
#include "examples/demo/worker.h"

namespace demo {
namespace {

constexpr const char* kDefaultFile = "/usr/share/common-licenses/GPL-3";

int fail(int exit_status, const std::string& what) {
  std::cerr << "demo: " << what << '\n';
  return exit_status;
}

struct Input {
  int fd = -1;
  std::uint64_t size = 0;
  ~Input() {
    if (fd >= 0) ::close(fd);
  }
};

// What is wrong with the file, or nothing.
std::string open_input(const std::string& path, Input& input) {
  const std::string cannot = "cannot count " + path + ": ";
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  input.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (input.fd < 0) return cannot + std::strerror(errno);
  struct stat status {};
  if (::fstat(input.fd, &status) != 0) return cannot + std::strerror(errno);
  if (S_ISDIR(status.st_mode)) return cannot + "it is a folder; give a file";
  if (!S_ISREG(status.st_mode)) return cannot + "it is not an ordinary file";
  input.size = static_cast<std::uint64_t>(status.st_size);
  return {};
}

absl::StatusOr<Counts> ask_wc(const std::string& path) {
  // By stdin: no file name is an option then.
  const auto text =
      output_of({"wc", "-l", "-w", "-c"}, {.extra_environment = {"LC_ALL=C"}, .stdin_file = path});
  if (!text.ok()) return text.status();
  Counts counts;
  std::istringstream in(*text);
  if (!(in >> counts.lines >> counts.words >> counts.bytes)) {
    return absl::InternalError("wc said: " + *text);
  }
  return counts;
}

int failed(const absl::Status& status) {
  if (interrupted() != 0) return fail(128 + interrupted(), "interrupted");
  return fail(1, status.ToString());
}

int count(const std::string& path, const std::string& folder) {
  Input input;
  if (const std::string wrong = open_input(path, input); !wrong.empty()) return fail(2, wrong);

  // The caller's own manager and arena are none of the demo's business.
  ::unsetenv("SHOAL_SOCKET");
  ::unsetenv("SHOAL_ARENA");
  auto manager = shoal::Manager::start();
  if (!manager.ok()) return failed(manager.status());
  std::cout << "manager: process " << manager->pid() << " at " << manager->socket() << '\n';
  shoal::ClientOptions options;
  options.label = "demo";
  auto client = manager->connect(options);
  if (!client.ok()) return failed(client.status());

  absl::StatusOr<Counts> counts = Job(*client, manager->socket(), folder).run(input.fd, input.size);
  if (!counts.ok()) return failed(counts.status());
  const absl::StatusOr<Counts> wc = ask_wc(path);
  if (!wc.ok()) return failed(wc.status());
  if (absl::Status status = manager->stop(); !status.ok()) return failed(status);

  const bool equal = *counts == *wc;
  std::cout << "\nwc counts " << wc->lines << " lines, " << wc->words << " words, " << wc->bytes
            << " bytes: " << (equal ? "the same" : "not the same") << "\nlines " << counts->lines
            << "\nwords " << counts->words << "\nbytes " << counts->bytes << std::endl;
  if (!equal) return fail(1, "the totals are not those of wc; did " + path + " change meanwhile?");
  if (!std::cout) return fail(1, "cannot write to stdout");
  return 0;
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == demo::kWorkerFlag) {
    return demo::worker_main({arguments.begin() + 1, arguments.end()});
  }
  if (arguments.size() > 1) return demo::fail(2, "usage: shoal_demo [FILE]");
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return demo::fail(1, "cannot find my own folder: " + error.message());
  demo::catch_interrupts();
  return demo::count(arguments.empty() ? demo::kDefaultFile : arguments[0],
                     self.parent_path().string());
}
