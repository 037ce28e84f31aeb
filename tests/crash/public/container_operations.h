// The calls of Dict, TypedDict, Namespace and List. After each death the object holds what it held
// before the call or what it holds after it, its structure is sound, and the same call can be made.
#pragma once

#include <array>
#include <string>
#include <utility>

#include <shoal/dict.h>
#include <shoal/list.h>
#include <shoal/namespace.h>
#include <shoal/typed_dict.h>

#include "tests/crash/public/operation.h"

namespace shoal::test {

// ---- what is in one, and how it is filled: three entries, the last of them large ----

using Large = std::array<std::int64_t, 300>;  // a block of its own
using LargeDict = TypedDict<std::int32_t, Large>;
using WordDict = TypedDict<std::array<char, 16>, std::int64_t>;

inline Large large_of(std::int64_t number) {
  Large all;
  all.fill(number);
  return all;
}

inline WordDict::key_type symbol(char name) { return {name}; }

inline std::string contents(const Dict& dict) { return dict.copy().value().to_string(); }
inline std::string contents(const List& list) { return list.copy().value().to_string(); }
inline std::string contents(const Namespace& object) {
  std::string text;
  const auto items = object.items();
  for (const DictEntry& entry : items.value()) {
    text += entry.key.to_string() + ": " + entry.value.to_string() + "\n";
  }
  return text;
}
template <class K, class V>
std::string contents(const TypedDict<K, V>& dict) {
  std::string text;
  const auto items = dict.items();
  for (const auto& [key, value] : items.value()) {
    text.append(reinterpret_cast<const char*>(&key), sizeof key);
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return text;
}

inline void fill(const Dict& dict) {
  (void)dict.clear();
  (void)dict.put("a", 1);
  (void)dict.put("b", "the text of b");
  (void)dict.put("c", std::string(3000, 'c'));
}
inline void fill(const List& list) {
  (void)list.clear();
  (void)list.extend({"d", "the text of b", std::string(3000, 'c'), "a"});
}
inline void fill(const Namespace& object) {
  const absl::StatusOr<std::vector<std::string>> names = object.names();
  for (const std::string& name : names.value()) (void)object.erase(name);
  (void)object.set("a", 1);
  (void)object.set("b", "the text of b");
  (void)object.set("c", std::string(3000, 'c'));
}
inline void fill(const LargeDict& dict) {
  (void)dict.clear();
  for (int i = 0; i < 3; ++i) (void)dict.put(i, large_of(i));
}
inline void fill(const WordDict& dict) {
  (void)dict.clear();
  for (int i = 0; i < 3; ++i) (void)dict.put(symbol(static_cast<char>('a' + i)), i);
}

// The manager may not have seen the death yet: what the dead had begun with a block is open then.
// `damage()` says what is wrong.
inline std::string sound_once_recovered(const std::function<std::string()>& damage) {
  std::string wrong = damage();
  for (const absl::Time end = absl::Now() + kPatience; !wrong.empty() && absl::Now() < end;) {
    std::this_thread::yield();
    wrong = damage();
  }
  return wrong;
}

// As it was, or as the call leaves it; sound; and the call works again.
template <class T>
std::string before_or_after(const T& object, const std::function<void(const T&)>& call,
                            int victims = 1) {
  if (std::string wrong = sound_once_recovered([&] { return text_of(object.verify().status()); });
      !wrong.empty()) {
    return wrong;
  }
  const std::string now = contents(object);
  fill(object);
  const std::string before = contents(object);
  call(object);
  const std::string after = contents(object);
  if (before == after) return "a later call changes nothing";
  bool sound = now == before || now == after;
  if (!sound && victims == 2) {
    // Both calls may have been done.
    call(object);
    sound = now == contents(object);
  }
  if (!sound) return "it holds neither what it held nor what it should: " + now;
  return text_of(object.verify().status());
}

template <class T>
Case<T> container_case(const std::string& name, const std::string& method,
                       std::function<void(const T&)> call) {
  Case<T> made;
  made.name = name;
  made.methods = {method};
  made.before = [](const T& object) { fill(object); };
  made.warm_up = [call](const T& object) {
    fill(object);
    call(object);
  };
  made.call = call;
  made.go_on = [call](const T& object, const AtDeath& death) {
    return before_or_after(object, call, death.victims);
  };
  return made;
}

// ---- the calls ----

// Being told of a change: one is killed in it, or in telling, while another sleeps. `is_old`: the
// key still has the value 1, which `change` replaces by 2.
template <class D>
void add_being_told(std::vector<PublicOperation>& all, const std::string& kind,
                    std::function<void(const D&)> change,
                    std::function<absl::Status(const D&, int, absl::Duration)> watch,
                    std::function<bool(const D&)> is_old) {
  Case<D> waiting;
  waiting.before = [](const D& dict) { fill(dict); };
  waiting.warm_up = [=](const D& dict) {
    fill(dict);
    change(dict);
    (void)watch(dict, 2, absl::Milliseconds(1));
  };
  waiting.sleepers = {[=](const D& dict) { return text_of(watch(dict, 1, 2 * kPatience)); }};
  waiting.help = [=](const D& dict, const AtDeath&) {
    if (is_old(dict)) change(dict);
  };
  waiting.go_on = [=](const D& dict, const AtDeath&) { return before_or_after<D>(dict, change); };
  Case<D> telling = waiting;
  telling.name = kind + " put, one asleep in watch";
  telling.methods = {kind + "::put"};
  telling.call = change;
  all.push_back(operation_of<D>(std::move(telling)));
  waiting.name = kind + " watch, another asleep";
  waiting.methods = {kind + "::watch"};
  waiting.call = [=](const D& dict) { (void)watch(dict, 1, 2 * kPatience); };
  waiting.unblock = change;
  all.push_back(operation_of<D>(std::move(waiting)));
}

inline void add_dict_operations(std::vector<PublicOperation>& all) {
  const auto add = [&](const std::string& method, const std::string& what,
                       std::function<void(const Dict&)> call) {
    Case<Dict> made =
        container_case<Dict>("Dict " + method + what, "Dict::" + method, std::move(call));
    made.twice = method == "put";
    all.push_back(operation_of<Dict>(std::move(made)));
  };
  add("put", ", a new key", [](const Dict& dict) { (void)dict.put("n", 5); });
  add("put", ", over a word", [](const Dict& dict) { (void)dict.put("a", 2); });
  add("put", ", over a text", [](const Dict& dict) { (void)dict.put("b", "another text"); });
  add("put", ", over a large value",
      [](const Dict& dict) { (void)dict.put("c", std::string(3001, 'd')); });
  add("put_bytes", "",
      [](const Dict& dict) { (void)dict.put_bytes("b", std::as_bytes(std::span("bytes"))); });
  add("put_text", "", [](const Dict& dict) { (void)dict.put_text("b", "another text"); });
  add("erase", "", [](const Dict& dict) { (void)dict.erase("b"); });
  add("erase", ", a large value", [](const Dict& dict) { (void)dict.erase("c"); });
  add("get_or_insert", "", [](const Dict& dict) { (void)dict.get_or_insert("n", "x"); });
  add("pop", "", [](const Dict& dict) { (void)dict.pop("b"); });
  add("pop_item", "", [](const Dict& dict) { (void)dict.pop_item(); });
  add("compare_and_swap", "", [](const Dict& dict) { (void)dict.compare_and_swap("a", 1, 7); });
  add("increment", "", [](const Dict& dict) { (void)dict.increment("a", 3); });
  add("clear", "", [](const Dict& dict) { (void)dict.clear(); });
  add("update", "", [](const Dict& dict) { (void)dict.update({{"a", 2}, {"n", "x"}}); });

  add_being_told<Dict>(
      all, "Dict", [](const Dict& dict) { (void)dict.put("a", 2); },
      [](const Dict& dict, int value, absl::Duration timeout) {
        return dict.watch("a", value, timeout);
      },
      [](const Dict& dict) { return dict.get("a").value() == Value(1); });
}

inline void add_list_container_operations(std::vector<PublicOperation>& all) {
  const auto add = [&](const std::string& method, const std::string& what,
                       std::function<void(const List&)> call) {
    Case<List> made =
        container_case<List>("List " + method + what, "List::" + method, std::move(call));
    made.twice = method == "append";
    all.push_back(operation_of<List>(std::move(made)));
  };
  add("set", ", a number", [](const List& list) { (void)list.set(1, 5); });
  add("set", ", a text", [](const List& list) { (void)list.set(0, "another text"); });
  add("set", ", over a large value", [](const List& list) { (void)list.set(2, "short"); });
  add("set", ", a large value",
      [](const List& list) { (void)list.set(-1, std::string(3001, 'd')); });
  add("append", "", [](const List& list) { (void)list.append("another text"); });
  add("append", ", a number", [](const List& list) { (void)list.append(5); });
  add("append", ", a large value",
      [](const List& list) { (void)list.append(std::string(3001, 'd')); });
  add("extend", "", [](const List& list) { (void)list.extend({"e", 5, nullptr}); });
  add("insert", "", [](const List& list) { (void)list.insert(1, "another text"); });
  add("pop", "", [](const List& list) { (void)list.pop(); });
  add("pop", ", a large value", [](const List& list) { (void)list.pop(2); });
  add("erase", "", [](const List& list) { (void)list.erase("the text of b"); });
  add("assign", "", [](const List& list) {
    const Value values[] = {1, "two", std::string(3000, 'e')};
    (void)list.assign({.start = 1, .stop = 3}, values);
  });
  add("erase_slice", "", [](const List& list) { (void)list.erase_slice({.step = 2}); });
  add("clear", "", [](const List& list) { (void)list.clear(); });
  add("reverse", "", [](const List& list) { (void)list.reverse(); });
  add("sort", "", [](const List& list) { (void)list.sort(); });
}

inline void add_typed_dict_operations(std::vector<PublicOperation>& all) {
  const auto word = [&](const std::string& method, std::function<void(const WordDict&)> call) {
    all.push_back(operation_of<WordDict>(container_case<WordDict>(
        "TypedDict of words, " + method, "TypedDict::" + method, std::move(call))));
  };
  const auto large = [&](const std::string& method, std::function<void(const LargeDict&)> call) {
    all.push_back(operation_of<LargeDict>(container_case<LargeDict>(
        "TypedDict of large values, " + method, "TypedDict::" + method, std::move(call))));
  };
  word("put", [](const WordDict& dict) { (void)dict.put(symbol('a'), 7); });
  word("increment", [](const WordDict& dict) { (void)dict.increment(symbol('n'), 7); });
  word("compare_and_swap",
       [](const WordDict& dict) { (void)dict.compare_and_swap(symbol('b'), 1, 7); });
  word("get_or_insert", [](const WordDict& dict) { (void)dict.get_or_insert(symbol('n'), 7); });
  word("update", [](const WordDict& dict) {
    (void)dict.update({{symbol('a'), 7}, {symbol('n'), 8}});
  });
  large("put", [](const LargeDict& dict) { (void)dict.put(1, large_of(7)); });
  large("erase", [](const LargeDict& dict) { (void)dict.erase(1); });
  large("pop", [](const LargeDict& dict) { (void)dict.pop(1); });
  large("pop_item", [](const LargeDict& dict) { (void)dict.pop_item(); });
  large("clear", [](const LargeDict& dict) { (void)dict.clear(); });
  add_being_told<WordDict>(
      all, "TypedDict", [](const WordDict& dict) { (void)dict.put(symbol('b'), 2); },
      [](const WordDict& dict, int value, absl::Duration timeout) {
        return dict.watch(symbol('b'), value, timeout);
      },
      [](const WordDict& dict) { return *dict.get(symbol('b')) == 1; });
}

inline void add_namespace_operations(std::vector<PublicOperation>& all) {
  const auto add = [&](const std::string& method, std::function<void(const Namespace&)> call) {
    all.push_back(operation_of<Namespace>(
        container_case<Namespace>("Namespace " + method, "Namespace::" + method, std::move(call))));
  };
  add("set", [](const Namespace& object) { (void)object.set("b", "another text"); });
  add("erase", [](const Namespace& object) { (void)object.erase("c"); });
}

}  // namespace shoal::test
