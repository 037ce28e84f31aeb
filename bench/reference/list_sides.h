// The sides of the list/ rows, made of any list of int. Knows nothing of shoal.
//
// A list has, none of it virtual:
//   bool get(std::size_t index, std::int64_t* value)
//   bool set(std::size_t index, std::int64_t value)
//   bool append(std::int64_t value)
//   void renew()                       empty again, and as small
#pragma once

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

#include "reference/side.h"
#include "reference/work.h"

namespace reference {

enum class ListOperation { kGet, kGetWide, kSet, kAppend };

// Element `i` of a list that is read: a number as it is written, or one of up to 63 bits.
inline std::int64_t listed_int(ListOperation operation, std::size_t i) {
  return operation == ListOperation::kGetWide ? initial_int(i) : written_int(i);
}

// Of an append round, that begins with an empty list. Few, where one of the sides is slow.
inline constexpr std::uint64_t kAppendRound = 100'000;
inline constexpr std::uint64_t kShortListRound = 100;

template <typename List>
class ListSide : public Side {
 public:
  explicit ListSide(std::uint64_t round) : round_(round) {}

  // Every element, by place.
  std::uint64_t digest() override {
    std::uint64_t sum = 0;
    std::int64_t value = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!list_.get(i, &value)) give_up("list", "an element is gone");
      sum += static_cast<std::uint64_t>(value) * (2 * i + 1);
    }
    return sum;
  }

 protected:
  void append(std::int64_t value) {
    if (!list_.append(value)) give_up("list", "an element was refused");
    ++size_;
  }

  List list_;
  std::uint64_t round_;
  std::size_t size_ = 0;
};

template <typename List>
class ListGet final : public ListSide<List> {
 public:
  ListGet(ListOperation operation, std::uint64_t round) : ListSide<List>(round) {
    for (std::size_t i = 0; i < kListSize; ++i) this->append(listed_int(operation, i));
  }

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (; rounds > 0; --rounds) {
      list_round(
          [&](std::size_t, std::size_t index) {
            std::int64_t value = 0;
            if (this->list_.get(index, &value)) sum += static_cast<std::uint64_t>(value);
            keep(sum);
          },
          this->round_);
    }
    return sum;
  }
};

template <typename List>
class ListSet final : public ListSide<List> {
 public:
  explicit ListSet(std::uint64_t round) : ListSide<List>(round) {
    for (std::size_t i = 0; i < kListSize; ++i) this->append(0);
  }

  std::uint64_t run(std::uint64_t rounds) override {
    std::uint64_t sum = 0;
    for (; rounds > 0; --rounds) {
      list_round(
          [&](std::size_t i, std::size_t index) {
            sum += this->list_.set(index, written_int(i)) ? 1 : 0;
            keep(sum);
          },
          this->round_);
    }
    return sum;
  }
};

// Making a new list for each round is a pause.
template <typename List>
class ListAppend final : public ListSide<List> {
 public:
  using ListSide<List>::ListSide;

  std::uint64_t run(std::uint64_t rounds) override {
    using Clock = std::chrono::steady_clock;
    std::uint64_t sum = 0;
    paused_ns_ = 0;
    for (; rounds > 0; --rounds) {
      const auto start = Clock::now();
      this->list_.renew();
      paused_ns_ += std::chrono::duration<double, std::nano>(Clock::now() - start).count();
      for (std::uint64_t i = 0; i < this->round_; ++i) {
        sum += this->list_.append(written_int(i)) ? 1 : 0;
        keep(sum);
      }
    }
    this->size_ = this->round_;
    return sum;
  }

  [[nodiscard]] double paused_ns() const override { return paused_ns_; }

 private:
  double paused_ns_ = 0;
};

// A side that does `operation`, `round` operations a round.
template <typename List>
std::unique_ptr<Side> list_side(ListOperation operation, std::uint64_t round) {
  if (operation == ListOperation::kSet) return std::make_unique<ListSet<List>>(round);
  if (operation == ListOperation::kAppend) return std::make_unique<ListAppend<List>>(round);
  return std::make_unique<ListGet<List>>(operation, round);
}

}  // namespace reference
