// References by Python's multiprocessing.Manager, of a dict and of a list: see dict.h and list.h.
// Python does the operations of a run by itself, one after the other, and says how long they took:
// neither the way to Python nor adding up the results is in the figure.
#include <sys/socket.h>
#include <sys/time.h>

#include <vector>

#include "reference/dict.h"
#include "reference/forked_server.h"
#include "reference/list.h"
#include "reference/programs.h"
#include "reference/scratch.h"

namespace reference {
namespace {

// Reads a request (its name and two numbers), answers with a sum and a time in nanoseconds.
constexpr char kScript[] = R"(
import array, ctypes, os, socket, struct, time
from multiprocessing.managers import SyncManager

KEYS, VALUES, VALUE = 16, 100, 64
MASK = (1 << 64) - 1

def die_with_parent():
    ctypes.CDLL(None).prctl(1, 9)

def fold(value):
    return sum(struct.unpack('<8Q', value))

def main():
    stream = socket.socket(fileno=os.dup(0)).makefile('rwb')
    manager = SyncManager()
    manager.start(die_with_parent)

    def ints(count):
        return array.array('q', stream.read(8 * count)).tolist()

    now = time.perf_counter_ns
    while True:
        request = stream.read(24)
        if len(request) < 24:
            return
        name, first, second = struct.unpack('<8sQQ', request)
        name = name.rstrip(b'\0').decode()
        total = took = 0
        if name == 'dict':
            text = stream.read(KEYS * first).decode()
            keys = [text[i:i + KEYS] for i in range(0, len(text), KEYS)]
            data = stream.read(VALUES * VALUE)
            values = [data[i:i + VALUE] for i in range(0, len(data), VALUE)]
            shared = manager.dict()
            for i, key in enumerate(keys):
                shared[key] = values[(i + second) % VALUES]
        elif name == 'get':
            wanted = keys[first:first + second]
            start = now()
            found = [shared[key] for key in wanted]
            took = now() - start
            total = sum(map(fold, found))
        elif name == 'update':
            wanted = [(keys[i], values[i % VALUES]) for i in range(first, first + second)]
            start = now()
            for key, value in wanted:
                shared[key] = value
            took = now() - start
            total = second
        elif name == 'foldall':
            total = sum(fold(shared[key]) * (2 * i + 1) for i, key in enumerate(keys))
        elif name == 'list':
            shared = manager.list(ints(first))
            indices, written = ints(second), ints(second)
        elif name == 'lget':
            start = now()
            found = [shared[i] for i in indices]
            took = now() - start
            total = sum(found)
        elif name == 'lset':
            start = now()
            for i, value in zip(indices, written):
                shared[i] = value
            took = now() - start
            total = len(indices)
        elif name == 'lappend':
            shared = manager.list()
            start = now()
            for value in written:
                shared.append(value)
            took = now() - start
            total = len(shared)
        elif name == 'lfold':
            total = sum(value * (2 * i + 1) for i, value in enumerate(list(shared)))
        stream.write(struct.pack('<QQ', total & MASK, took))
        stream.flush()

main()
)";

class Python {
 public:
  Python()
      : server_([this](int input) {
          // Its sockets go where they are removed from.
          ::setenv("TMPDIR", folder_.path().c_str(), 1);
          become(input, {kProgram, "-c", kScript});
        }) {}

  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;

  // Lets Python end its manager before it is killed.
  ~Python() {
    const timeval patience{5, 0};
    ::setsockopt(server_.socket(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::shutdown(server_.socket(), SHUT_WR);
    char end;
    (void)::recv(server_.socket(), &end, 1, 0);
  }

  static constexpr char kProgram[] = "python3";

  // A request, of eight letters at most, with what follows it: the sum of the answer.
  std::uint64_t ask(const char* name, std::uint64_t first, std::uint64_t second,
                    const std::string& more = {}) {
    struct {
      std::array<char, 8> name{};
      std::uint64_t first;
      std::uint64_t second;
    } request;
    std::memcpy(request.name.data(), name, std::strlen(name));
    request.first = first;
    request.second = second;
    std::array<std::uint64_t, 2> answer;
    if (!write_all(server_.socket(), &request, sizeof request) ||
        !write_all(server_.socket(), more.data(), more.size()) ||
        !read_all(server_.socket(), answer.data(), sizeof answer)) {
      give_up(kProgram, "it has failed");
    }
    took_ns_ += static_cast<double>(answer[1]);
    return answer[0];
  }

  // Since the last time.
  double took_ns() { return std::exchange(took_ns_, 0); }

 private:
  ScratchFolder folder_;
  ForkedServer server_;
  double took_ns_ = 0;
};

// A run counts only as long as Python says that it took.
class PythonSide : public Side {
 public:
  std::uint64_t run(std::uint64_t rounds) override {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    python_.took_ns();
    std::uint64_t sum = 0;
    for (; rounds > 0; --rounds) sum += round();
    const std::chrono::duration<double, std::nano> all = Clock::now() - start;
    paused_ns_ = all.count() - python_.took_ns();
    return sum;
  }

  [[nodiscard]] double paused_ns() const override { return paused_ns_; }

 protected:
  virtual std::uint64_t round() = 0;

  Python python_;

 private:
  double paused_ns_ = 0;
};

class PythonDict final : public PythonSide {
 public:
  PythonDict(Operation operation, std::size_t entries, std::uint64_t round)
      : updates_(operation == Operation::kUpdate), round_(round), cursor_{entries} {
    std::string bytes;
    for (const Key& key : keys_of(entries).present) bytes.append(view(key));
    for (const Bytes64& value : values<Bytes64>()) bytes.append(value.data(), value.size());
    python_.ask("dict", entries, updates_ ? 1 : 0, bytes);
  }

  std::uint64_t digest() override {
    if (!updates_) return 0;
    while (cursor_.at != 0) round();
    return python_.ask("foldall", 0, 0);
  }

 private:
  std::uint64_t round() override {
    const std::uint64_t sum = python_.ask(updates_ ? "update" : "get", cursor_.at, round_);
    cursor_.advance(round_);
    return sum;
  }

  bool updates_;
  std::uint64_t round_;
  Cursor cursor_;
};

class PythonList final : public PythonSide {
 public:
  PythonList(ListOperation operation, std::uint64_t round) : operation_(operation) {
    std::string bytes;
    const auto add = [&](std::int64_t value) {
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (std::size_t i = 0; i < kListSize; ++i) {
      add(operation == ListOperation::kGet ? listed_int(operation, i) : 0);
    }
    list_round([&](std::size_t, std::size_t index) { add(static_cast<std::int64_t>(index)); },
               round);
    for (std::size_t i = 0; i < round; ++i) add(written_int(i));
    python_.ask("list", kListSize, round, bytes);
  }

  std::uint64_t digest() override { return python_.ask("lfold", 0, 0); }

 private:
  std::uint64_t round() override {
    if (operation_ == ListOperation::kGet) return python_.ask("lget", 0, 0);
    return python_.ask(operation_ == ListOperation::kSet ? "lset" : "lappend", 0, 0);
  }

  ListOperation operation_;
};

}  // namespace

bool have_python() { return have_program(Python::kProgram); }
std::unique_ptr<Side> python_dict64(Operation operation, std::size_t entries, std::uint64_t round) {
  return std::make_unique<PythonDict>(operation, entries, round);
}
std::unique_ptr<Side> python_list(ListOperation operation, std::uint64_t round) {
  return std::make_unique<PythonList>(operation, round);
}

}  // namespace reference
