// References by servers that listen at a Unix socket, Redis and memcached: see dict.h.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "reference/dict.h"
#include "reference/forked_server.h"
#include "reference/programs.h"
#include "reference/scratch.h"

namespace reference {
namespace {

// How each is started and spoken to. The size of every answer that is not an error is known before.
struct Redis {
  static constexpr char kProgram[] = "redis-server";
  static constexpr std::string_view kDone = "+OK\r\n";
  static constexpr std::string_view kValueEnd = "\r\n";

  static std::vector<std::string> command(const std::string& folder, const std::string& socket) {
    return {kProgram, "--port",    "0",        "--unixsocket", socket, "--unixsocketperm",
            "700",    "--save",    "",         "--appendonly", "no",   "--dir",
            folder,   "--logfile", "/dev/null"};
  }
  static std::string get(std::string_view key) {
    return "*2\r\n$3\r\nGET\r\n$16\r\n" + std::string(key) + "\r\n";
  }
  static std::string put_head(std::string_view key) {
    return "*3\r\n$3\r\nSET\r\n$16\r\n" + std::string(key) + "\r\n$64\r\n";
  }
  static std::string value_head(std::string_view) { return "$64\r\n"; }
};

struct Memcached {
  static constexpr char kProgram[] = "memcached";
  static constexpr std::string_view kDone = "STORED\r\n";
  static constexpr std::string_view kValueEnd = "\r\nEND\r\n";

  static std::vector<std::string> command(const std::string&, const std::string& socket) {
    std::vector<std::string> words = {kProgram, "-s", socket, "-a", "0700", "-t", "1", "-m", "512"};
    // It refuses to be root unless told to.
    if (::geteuid() == 0) words.insert(words.end(), {"-u", "root"});
    return words;
  }
  static std::string get(std::string_view key) { return "get " + std::string(key) + "\r\n"; }
  static std::string put_head(std::string_view key) {
    return "set " + std::string(key) + " 0 0 64\r\n";
  }
  static std::string value_head(std::string_view key) {
    return "VALUE " + std::string(key) + " 0 64\r\n";
  }
};

template <typename Server>
class ServerDict {
 public:
  using Value = Bytes64;

  ServerDict()
      : socket_path_(folder_.path() + "/socket"),
        server_(
            [this](int input) { become(input, Server::command(folder_.path(), socket_path_)); }),
        socket_(connect_to(socket_path_)) {}
  ServerDict(const ServerDict&) = delete;
  ServerDict& operator=(const ServerDict&) = delete;
  ~ServerDict() { ::close(socket_); }

  bool get(const Key& key, Value* value) {
    const std::string head = Server::value_head(view(key));
    const std::size_t size = head.size() + value->size() + Server::kValueEnd.size();
    const std::string request = Server::get(view(key));
    if (!write_all(socket_, request.data(), request.size()) || !answered(head, size)) return false;
    std::copy_n(answer_.begin() + static_cast<std::ptrdiff_t>(head.size()), value->size(),
                value->begin());
    return true;
  }

  bool put(const Key& key, const Value& value) {
    std::string request = Server::put_head(view(key));
    request.append(value.data(), value.size()).append("\r\n");
    return write_all(socket_, request.data(), request.size()) &&
           answered(Server::kDone, Server::kDone.size());
  }

 private:
  // Reads an answer of that size; false as soon as it begins otherwise.
  bool answered(std::string_view head, std::size_t size) {
    for (std::size_t got = 0; got < size;) {
      const ssize_t n = ::recv(socket_, answer_.data() + got, size - got, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      got += static_cast<std::size_t>(n);
      const std::size_t known = std::min(got, head.size());
      if (std::string_view(answer_.data(), known) != head.substr(0, known)) return false;
    }
    return true;
  }

  ScratchFolder folder_;
  std::string socket_path_;
  ForkedServer server_;
  int socket_;
  std::array<char, 256> answer_;
};

}  // namespace

bool have_redis() { return have_program(Redis::kProgram); }
bool have_memcached() { return have_program(Memcached::kProgram); }

std::unique_ptr<Side> redis_dict64(Operation operation, std::size_t entries, std::uint64_t round) {
  return dict_side<ServerDict<Redis>>(operation, entries, round);
}
std::unique_ptr<Side> memcached_dict64(Operation operation, std::size_t entries,
                                       std::uint64_t round) {
  return dict_side<ServerDict<Memcached>>(operation, entries, round);
}

}  // namespace reference
