// One half of the smallest program with shoal: makes a segment under a name and leaves a text in
// it. The other half is hello_reader.cc. A manager must be running: shoald, or `SHOAL_SOCKET` names
// one.
//
//   hello_writer [TEXT]
#include <algorithm>
#include <iostream>
#include <span>
#include <string_view>

#include <shoal/shoal.h>

int main(int argc, char** argv) {
  const std::string_view text = argc > 1 ? argv[1] : "hello from another process";

  const auto client = shoal::Client::connect();
  if (!client.ok()) {
    std::cerr << client.status() << '\n';
    return 1;
  }
  const auto hello = client->create<shoal::SharedMemory>("hello", {.size = text.size() + 1});
  if (!hello.ok()) {
    std::cerr << hello.status() << '\n';
    return 1;
  }
  std::ranges::copy(std::as_bytes(std::span(text)), hello->data().begin());
  std::cout << "left " << text.size() << " bytes in \"" << hello->name() << "\"\n";
  // The process ends here. The object has a name, so it stays.
}
