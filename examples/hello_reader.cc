// The other half of hello_writer.cc: attaches to the segment by its name, shows the text, and takes
// the name away. With the name and the last attachment the memory goes.
#include <iostream>
#include <string_view>

#include <shoal/shoal.h>

int main() {
  const auto client = shoal::Client::connect();
  if (!client.ok()) {
    std::cerr << client.status() << '\n';
    return 1;
  }
  const auto hello =
      client->open<shoal::SharedMemory>("hello", {.access = shoal::Access::kReadOnly});
  if (!hello.ok()) {
    std::cerr << hello.status() << '\n';
    return 1;
  }
  const auto bytes = hello->data();
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::cout << all.substr(0, all.find('\0')) << '\n';

  if (const absl::Status status = hello->unlink(); !status.ok()) {
    std::cerr << status << '\n';
    return 1;
  }
}
