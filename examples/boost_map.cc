// A Boost container in shoal's memory: one process builds a map in a segment, another one, started
// by someone else, looks things up in it. A manager must be running.
//
//   boost_map write NAME=PRICE...
//   boost_map read NAME...
//
// What Boost keeps there does not survive a writer that is killed in mid-change: see shoal/boost.h.
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <shoal/boost.h>
#include <shoal/shoal.h>

namespace {

namespace ipc = boost::interprocess;

using Heap = ipc::managed_external_buffer;
template <typename T>
using Allocator = ipc::allocator<T, Heap::segment_manager>;
using String = ipc::basic_string<char, std::char_traits<char>, Allocator<char>>;

// Compares with ordinary text too: a reader then makes no key in the shared heap.
struct Less {
  using is_transparent = void;
  static std::string_view view(std::string_view text) { return text; }
  static std::string_view view(const String& text) { return {text.data(), text.size()}; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return view(a) < view(b);
  }
};

using Prices = ipc::map<String, double, Less, Allocator<std::pair<const String, double>>>;

constexpr std::uint64_t kBytes = 64 * 1024;

int fail(const absl::Status& status) {
  std::cerr << status << '\n';
  return 1;
}

int write(const shoal::Client& client, std::span<char*> words) {
  const auto memory = client.create<shoal::SharedMemory>("prices", {.size = kBytes});
  if (!memory.ok()) return fail(memory.status());
  const auto mappable = shoal::BoostMappable::of(*memory);
  if (!mappable.ok()) return fail(mappable.status());
  const ipc::mapped_region region(*mappable, ipc::read_write, 0, memory->size());

  Heap heap(ipc::create_only, region.get_address(), region.get_size());
  Prices& prices = *heap.construct<Prices>("prices")(heap.get_segment_manager());
  for (const std::string_view word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    String name(word.data(), equals, heap.get_segment_manager());
    prices.emplace(std::move(name), std::atof(word.data() + equals + 1));
  }
  std::cout << prices.size() << " prices\n";
  return 0;
}

int read(const shoal::Client& client, std::span<char*> words) {
  const auto memory =
      client.open<shoal::SharedMemory>("prices", {.access = shoal::Access::kReadOnly});
  if (!memory.ok()) return fail(memory.status());
  const auto mappable = shoal::BoostMappable::of(*memory);
  if (!mappable.ok()) return fail(mappable.status());
  const ipc::mapped_region region(*mappable, ipc::read_only, 0, memory->size());

  Heap heap(ipc::open_only, region.get_address(), region.get_size());
  const Prices* prices = heap.find<Prices>("prices").first;
  if (prices == nullptr) return fail(absl::DataLossError("there is no map in \"prices\""));
  for (const std::string_view word : words) {
    const auto found = prices->find(word);
    std::cout << word << ' ';
    if (found == prices->end()) {
      std::cout << "unknown\n";
    } else {
      std::cout << found->second << '\n';
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb != "read" && verb != "write") {
    std::cerr << "usage: boost_map write NAME=PRICE... | boost_map read NAME...\n";
    return 2;
  }
  const auto client = shoal::Client::connect();
  if (!client.ok()) return fail(client.status());
  const std::span<char*> words(argv + 2, static_cast<std::size_t>(argc - 2));
  return verb == "write" ? write(*client, words) : read(*client, words);
} catch (const ipc::interprocess_exception& problem) {  // Boost's own, such as a full heap
  std::cerr << problem.what() << '\n';
  return 1;
}
