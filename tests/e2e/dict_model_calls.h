// The calls of a DictOwner (dict_model.h): each makes one, compares its answer with what the model
// says, and changes the model as the dict must have changed.
#pragma once

#include "tests/e2e/dict_model.h"

namespace shoal::e2e {

// ---- reading ----

inline void DictOwner::read_one(int owner, std::int64_t id) {
  const Value key = key_of(owner, id);
  std::optional<Value> found;
  switch (below(3)) {
    case 0: {
      const absl::StatusOr<Value> value = dict_.get(key);
      if (value.ok()) found = *value;
      expect(value.ok() || absl::IsNotFound(value.status()), "get: " + value.status().ToString(),
             id);
      break;
    }
    case 1: {
      const absl::Status status = dict_.visit(key, [&](ValueKind kind, auto bytes) {
        if (kind == ValueKind::kString) found = std::string(Bytes(bytes).view());
        if (kind == ValueKind::kBytes) found = Bytes(bytes);
      });
      expect(status.ok() || absl::IsNotFound(status), "visit: " + status.ToString(), id);
      if (!found) return;
      break;
    }
    default: {
      const bool there = got(dict_.contains(key), "contains");
      if (owner == owner_) expect(there == (held(id) != nullptr), "contains is wrong: ", id);
      return;
    }
  }
  if (found) expect(is_of(*found, owner, id), "nobody has put this: ", DictEntry{key, *found});
  if (owner == owner_) expect(found == copied(id), "not what was put: ", id);
}

// Both keys of a pair always hold the same, or neither is there.
inline void DictOwner::read_pair(int owner) {
  std::optional<Value> values[2];
  const absl::Status status = client_.read_transaction([&](ReadTransaction& t) -> absl::Status {
    for (std::int64_t id = 0; id < 2; ++id) {
      const absl::StatusOr<Value> value = t.get(dict_, key_of(owner, id));
      if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
      values[id] = value.ok() ? std::optional<Value>(*value) : std::nullopt;
    }
    return absl::OkStatus();
  });
  done(status, 0, "read_transaction");
  if (values[0] != values[1]) throw std::runtime_error("half a transaction was seen");
}

// ---- several keys at once ----

inline void DictOwner::change_pair() {
  const bool erase = held(0) != nullptr && below(4) == 0;
  const std::int64_t by = held(0) == nullptr ? code_of(owner_, 0) + kStep : kStep;
  const absl::Status status = client_.transact([&](Transaction& t) -> absl::Status {
    for (std::int64_t id = 0; id < 2; ++id) {
      const absl::Status one = erase ? t.erase(dict_, key_of(owner_, id))
                                     : t.increment(dict_, key_of(owner_, id), by).status();
      if (!one.ok()) return one;
    }
    return absl::OkStatus();
  });
  done(status, 0, "transact of a pair");
  for (std::int64_t id = 0; id < 2; ++id) {
    const std::int64_t before = held(id) == nullptr ? 0 : *held(id)->as_int();
    if (erase) {
      model_.erase(id);
    } else {
      note(id, before + by);
    }
  }
}

inline void DictOwner::change_several(std::int64_t universe) {
  std::vector<std::int64_t> ids;
  for (std::int64_t i = below(8); i >= 0; --i) {
    const std::int64_t id = 2 + below(universe);
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  if (below(2) == 0) return transact_several(ids);
  std::vector<DictEntry> entries;
  for (const std::int64_t id : ids) entries.push_back({key_of(owner_, id), draw_value(id)});
  done(dict_.update(entries), ids[0], "update");
  for (std::size_t i = 0; i < ids.size(); ++i) note(ids[i], entries[i].value);
}

// Sometimes it thinks better of it, and nothing of it may be seen.
inline void DictOwner::transact_several(const std::vector<std::int64_t>& ids) {
  std::vector<std::optional<Value>> wanted;
  for (const std::int64_t id : ids) {
    wanted.push_back(held(id) != nullptr && below(3) == 0 ? std::nullopt
                                                          : std::optional<Value>(draw_value(id)));
  }
  const bool gives_up = below(4) == 0;
  const absl::Status status = client_.transact([&](Transaction& t) -> absl::Status {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Value key = key_of(owner_, ids[i]);
      const absl::StatusOr<Value> there = t.get(dict_, key);
      if (absl::IsAborted(there.status())) return there.status();
      expect(there.ok() ? copied(ids[i]) == *there : held(ids[i]) == nullptr,
             "another value in a transaction: ", ids[i]);
      const absl::Status one = wanted[i] ? t.put(dict_, key, *wanted[i]) : t.erase(dict_, key);
      if (!one.ok()) return one;
    }
    return gives_up ? absl::CancelledError() : absl::OkStatus();
  });
  if (gives_up) {
    expect(absl::IsCancelled(status), "transact: " + status.ToString() + ": ", ids[0]);
    return;
  }
  done(status, ids[0], "transact");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (wanted[i]) {
      note(ids[i], *wanted[i]);
    } else {
      model_.erase(ids[i]);
    }
  }
}

// ---- one key ----

inline void DictOwner::take_away(std::int64_t id) {
  const Value key = key_of(owner_, id);
  if (below(2) == 0) {
    answers(dict_.erase(key), id, "erase");
  } else {
    const absl::StatusOr<Value> value = dict_.pop(key);
    answers(value.status(), id, "pop");
    if (value.ok()) expect(copied(id) == *value, "pop gave another value: ", id);
  }
  model_.erase(id);
}

inline void DictOwner::change(std::int64_t id) {
  switch (below(6)) {
    case 0:
    case 1:
      return put(id);
    case 2: {
      const Value value = draw_value(id);
      const Value there = got(dict_.get_or_insert(key_of(owner_, id), value), "get_or_insert");
      if (held(id) == nullptr) note(id, value);
      return expect(copied(id) == there, "get_or_insert gave another value: ", id);
    }
    case 3:
      return add(id);
    default:
      return swap(id);
  }
}

inline void DictOwner::put(std::int64_t id) {
  const Value key = key_of(owner_, id);
  const Value value = draw_value(id);
  if (value.is_bytes() && below(2) == 0) {
    done(dict_.put_bytes(key, value.as_bytes()->span()), id, "put_bytes");
  } else if (value.is_string() && below(2) == 0) {
    done(dict_.put_text(key, *value.as_string()), id, "put_text");
  } else {
    done(dict_.put(key, value), id, "put");
  }
  note(id, value);
}

// Of a text nothing comes but a refusal; so it is not tried where there is none.
inline void DictOwner::add(std::int64_t id) {
  const Value* const there = held(id);
  if (!is_number(id) && there == nullptr) return put(id);
  const std::int64_t by = kStep * below(1000) + (there == nullptr ? code_of(owner_, id) : 0);
  const absl::StatusOr<std::int64_t> sum = dict_.increment(key_of(owner_, id), by);
  if (!is_number(id)) {
    return expect(absl::IsFailedPrecondition(sum.status()), "increment of a text: ", id);
  }
  const std::int64_t wanted = by + (there == nullptr ? 0 : *there->as_int());
  expect(sum.ok() && *sum == wanted, "increment gave " + sum.status().ToString() + ": ", id);
  note(id, wanted);
}

// Of the right value, of a wrong one, of none, to none.
inline void DictOwner::swap(std::int64_t id) {
  std::optional<Value> expected = copied(id);
  std::optional<Value> desired;
  if (below(8) != 0) desired = draw_value(id);
  if (below(3) == 0) expected = below(2) == 0 ? std::nullopt : std::optional<Value>(draw_value(id));
  const absl::Status status = dict_.compare_and_swap(key_of(owner_, id), expected, desired);
  if (expected != copied(id)) {
    return expect(absl::IsAborted(status), "a wrong one was swapped: " + status.ToString(), id);
  }
  done(status, id, "compare_and_swap");
  if (desired) {
    note(id, *desired);
  } else {
    model_.erase(id);
  }
}

}  // namespace shoal::e2e
