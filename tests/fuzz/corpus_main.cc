// Runs a fuzz target once over every file of the folders named on the command line, without
// libFuzzer. A folder that is missing or empty is a failure: nothing would have been tested.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

int run_folder(const char* folder) {
  int files = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::ifstream file(entry->path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const std::vector<uint8_t> input(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++files;
  }
  if (error) std::fprintf(stderr, "%s: %s\n", folder, error.message().c_str());
  return error ? 0 : files;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const int files = run_folder(argv[i]);
    std::printf("%s: %d inputs\n", argv[i], files);
    if (files == 0) return 1;
  }
  return argc > 1 ? 0 : 2;
}
