// Containers in containers: each is filled before a reference to it is stored, so whoever opens it
// by the reference finds it whole; what nobody refers to any more goes, circles too, which is
// looked at when the round is over.
#include "tests/torture/containers.h"
#include "tests/torture/scenario.h"

namespace shoal::torture {
namespace {

constexpr std::uint64_t kPlaces = 12;
constexpr int kElements = 3;

class Nest : public ContainerPart {
 public:
  explicit Nest(const Client& client)
      : client_(client), dict_(made(client.create<Dict>())), list_(made(client.create<List>())) {
    for (std::uint64_t i = 0; i < kPlaces; ++i) (void)list_.append(nullptr);
  }

  void step(Worker& worker) override {
    if (worker.below(3) == 0) return look(worker);
    const auto number = static_cast<std::int64_t>(worker.below(1'000'000));
    if (worker.below(2) == 0) {
      const auto fresh = worker.in(Op::kNestCreate, [&] { return client_.create<Dict>(); });
      worker.need(fresh, "a nested dict");
      for (int i = 0; i < kElements; ++i) worker.need(fresh->put(i, number), "a nested dict");
      // In a circle, sometimes: a child that refers to its parent, and to itself.
      if (number % 3 == 0) worker.need(fresh->put("up", reference_to(dict_)), "a circle");
      if (number % 5 == 0) worker.need(fresh->put("me", reference_to(*fresh)), "a circle");
      store(worker, reference_to(*fresh));
    } else {
      const auto fresh = worker.in(Op::kNestCreate, [&] { return client_.create<List>(); });
      worker.need(fresh, "a nested list");
      for (int i = 0; i < kElements; ++i) worker.need(fresh->append(number), "a nested list");
      if (number % 5 == 0) worker.need(fresh->append(reference_to(*fresh)), "a circle");
      store(worker, reference_to(*fresh));
    }
  }

  std::string final_state(const Board&, const std::vector<std::uint64_t>&) override {
    for (const auto& value : {dict_.values(), list_.items()}) {
      if (!value.ok()) return failed(value, "nest");
      for (const Value& reference : *value) {
        if (std::string wrong = look_into(reference); !wrong.empty()) return wrong;
      }
    }
    if (std::string wrong = sound_and_free(dict_, "nest"); !wrong.empty()) return wrong;
    return sound_and_free(list_, "nest's list");
  }

 private:
  // Whatever was there before is dropped.
  void store(Worker& worker, const Value& reference) const {
    const auto place = static_cast<std::int64_t>(worker.below(kPlaces));
    switch (worker.below(4)) {
      case 0: {
        const absl::Status status =
            worker.in(Op::kNestPut, [&] { return list_.set(place, reference); });
        return worker.need(status, "a reference in a list");
      }
      case 1: {
        const absl::Status status = worker.in(Op::kDictErase, [&] { return dict_.erase(place); });
        if (!absl::IsNotFound(status)) worker.need(status, "erase of a reference");
        [[fallthrough]];
      }
      default: {
        const absl::Status status =
            worker.in(Op::kNestPut, [&] { return dict_.put(place, reference); });
        worker.need(status, "a reference in a dict");
      }
    }
  }

  void look(Worker& worker) const {
    const auto place = static_cast<std::int64_t>(worker.below(kPlaces));
    const bool in_list = worker.below(2) == 0;
    const absl::StatusOr<Value> value = in_list ? list_.get(place) : dict_.get(place);
    if (absl::IsNotFound(value.status())) return;
    worker.need(value, "nest");
    const std::string wrong = worker.in(Op::kNestOpen, [&] { return look_into(*value); });
    if (!wrong.empty()) worker.fail(wrong);
  }

  // It may have been dropped since the reference was read; then it is nothing else either.
  [[nodiscard]] std::string look_into(const Value& value) const {
    if (value.is_none()) return {};
    if (!value.is_reference()) return "nest: a value that nobody has put: " + value.to_string();
    const auto dict = client_.open<Dict>(value);
    if (absl::IsNotFound(dict.status())) return {};
    std::vector<Value> elements;
    if (dict.ok()) {
      for (int i = 0; i < kElements; ++i) elements.push_back(dict->get(i).value_or(Value()));
    } else {
      const auto list = client_.open<List>(value);
      if (absl::IsNotFound(list.status())) return {};
      if (!list.ok()) return failed(list, "nest");
      for (int i = 0; i < kElements; ++i) elements.push_back(list->get(i).value_or(Value()));
    }
    for (const Value& element : elements) {
      if (!element.is_int() || element != elements[0]) return "nest: a nested one is not whole";
    }
    return {};
  }

  Client client_;
  Dict dict_;
  List list_;
};

}  // namespace

std::unique_ptr<ContainerPart> make_nest(const Client& client) {
  return std::make_unique<Nest>(client);
}

}  // namespace shoal::torture
