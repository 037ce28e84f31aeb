// A program that knows a socket and a name and nothing else: attaches to the SharedMemory of that
// name, prints its size and first bytes, and writes its answer behind them.
//   attacher SOCKET NAME
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include <shoal/client.h>
#include <shoal/shared_memory.h>

int main(int count, char** words) {
  if (count != 3) return 2;
  const auto client = shoal::Client::connect({.socket = words[1], .label = "attacher"});
  if (!client.ok()) {
    std::cout << client.status().ToString();
    return 1;
  }
  const auto memory = client->open<shoal::SharedMemory>(words[2]);
  if (!memory.ok()) {
    std::cout << memory.status().ToString();
    return 1;
  }
  char* const bytes = reinterpret_cast<char*>(memory->data().data());
  std::cout << memory->size() << ' ' << std::string_view(bytes, 4);
  std::ranges::copy(std::string_view("pong"), bytes + 4);
  return 0;
}
