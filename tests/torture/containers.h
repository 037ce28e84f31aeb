// The containers' share of the torture. It has parts, each with containers of its own and a way to
// know what must be in them; a worker does a bit of each.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <shoal/shoal.h>

#include "tests/torture/board.h"
#include "tests/torture/outside.h"

namespace shoal::torture {

inline constexpr std::size_t kContainerSeats = 4;

class ContainerPart {
 public:
  virtual ~ContainerPart() = default;

  // In a new worker, before its first step: what its predecessor was about when it died is wholly
  // there or wholly not.
  virtual void begin(Worker&) {}
  virtual void step(Worker& worker) = 0;
  // In the parent, when all are dead: what is wrong, or nothing.
  virtual std::string final_state(const Board& board,
                                  const std::vector<std::uint64_t>& killed_in) = 0;
};

// Keys of every kind of dict, each with an owner who knows what it holds.
std::unique_ptr<ContainerPart> make_keys(const Client& client);
// Amounts that move between the keys of several dicts: their sum stays.
std::unique_ptr<ContainerPart> make_accounts(const Client& client);
// A list for each worker, which knows what is in it, and one that all of them fill and empty.
std::unique_ptr<ContainerPart> make_lists(const Client& client);
// Containers in containers, made and dropped all the time.
std::unique_ptr<ContainerPart> make_nest(const Client& client);

// Nothing, or that this failed.
template <class Status>
std::string failed(const Status& status, std::string_view what) {
  if (status.ok()) return {};
  if constexpr (requires { status.status(); }) {
    return std::string(what) + ": " + status.status().ToString();
  } else {
    return std::string(what) + ": " + status.ToString();
  }
}

// Sound, and no lock of it is left with the dead: it can be emptied, and is empty then.
template <class Container>
std::string sound_and_free(const Container& container, std::string_view what) {
  if (std::string wrong = failed(container.verify(), what); !wrong.empty()) return wrong;
  if (std::string wrong = failed(container.clear(), what); !wrong.empty()) return wrong;
  if (std::string wrong = failed(container.verify(), what); !wrong.empty()) return wrong;
  const auto size = container.size();
  if (!size.ok()) return failed(size, what);
  return *size == 0 ? "" : std::string(what) + ": not empty, though it was cleared";
}

}  // namespace shoal::torture
