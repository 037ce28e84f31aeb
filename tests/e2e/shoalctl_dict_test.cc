// shoalctl get, set, dump, load-object, stat and verify of Dicts, Namespaces and TypedDicts.
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/dict_layout.h"
#include "tests/e2e/hostile_arena.h"
#include "tests/e2e/shoalctl_fixture.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {
namespace {

using test::must;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::SizeIs;

struct Quote {
  std::int32_t bid = 0;
  std::int32_t ask = 0;
};
SHOAL_TYPE(Quote, "test.quote", 1);

class ShoalctlDict : public Shoalctl {
 protected:
  template <class T>
  T made(const std::string& name) const {
    return must(client_->create<T>(name));
  }
};

TEST_F(ShoalctlDict, GetAndSetEntriesOfADict) {
  const auto dict = made<Dict>("users");
  EXPECT_EQ(ctl({"get", "users"}).err, "shoalctl: users has no entries\n");
  EXPECT_EQ(ctl({"set", "users", "alice", "42"}).status, 0);
  EXPECT_EQ(ctl({"set", "users", "bob", "{\"tuple\":[1,\"two\"]}"}).status, 0);
  EXPECT_EQ(ctl({"set", "users", "7", "plain", "--text"}).status, 0);
  EXPECT_EQ(ctl({"set", "users", "7", "[null]", "--key-json"}).status, 0);
  EXPECT_EQ(must(dict.get("alice")), Value(42));
  EXPECT_EQ(must(dict.get("bob")), Value::tuple({1, "two"}));
  EXPECT_EQ(must(dict.get("7")), Value("plain"));
  EXPECT_EQ(must(dict.get(7)), Value::list({nullptr}));

  EXPECT_EQ(ctl({"get", "users", "alice"}).out, "42\n");
  EXPECT_EQ(ctl({"get", "users", "7"}).out, "plain\n");
  EXPECT_EQ(ctl({"get", "users", "7", "--key-json"}).out, "[None]\n");
  EXPECT_EQ(ask({"get", "users", "bob"}).at("value"), json::parse("{\"tuple\":[1,\"two\"]}"));
  const json entries = ask({"get", "users"}).at("entries");
  ASSERT_THAT(entries, SizeIs(4));
  EXPECT_EQ(entries[0], json::parse("{\"key\":\"alice\",\"value\":42}"));
  EXPECT_EQ(entries[3].at("key"), 7);
  EXPECT_THAT(ctl({"get", "users"}).out, ContainsRegex("\"alice\" +42\n"));

  const Result absent = ctl({"get", "users", "carol"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.err, HasSubstr("'carol'"));
  EXPECT_THAT(ctl({"get", "users", "a\nb\"c"}).err, HasSubstr("key 'a\\nb\"c': there is none"));
  const std::string umlaut = std::string(78, 'y') + "\u00e4 and more";  // cut in its middle
  EXPECT_THAT(ctl({"get", "users", umlaut}).err, HasSubstr("yyy...: there is none"));
  EXPECT_EQ(ctl({"get", "users", "{", "--key-json"}).status, 1);
  EXPECT_EQ(ctl({"set", "users", "alice", "plain"}).status, 2);
  EXPECT_THAT(ctl({"set", "users", "alice", "-18446744073709551616"}).err,
              HasSubstr("is written {\"int\":\"-18446744073709551616\"}"));
  EXPECT_EQ(ctl({"set", "users", "alice"}).status, 2);
  EXPECT_EQ(ctl({"set", "nobody", "alice", "1"}).status, 1);
  (void)make("bytes", 100);
  EXPECT_THAT(ctl({"set", "bytes", "a", "1"}).err, HasSubstr("which has no keys"));
}

TEST_F(ShoalctlDict, DumpsLoadBack) {
  const auto dict = made<Dict>("users");
  must(dict.put("alice", Value::map({{"born", 1990}, {3, std::int64_t{1} << 60}})));
  must(dict.put(Value::tuple({1, "x"}), shoal::Bytes("\xff")));
  must(dict.put(2.5, nullptr));
  const Result dump = ctl({"dump", "users"});
  EXPECT_THAT(dump.out,
              HasSubstr("{\"kind\":\"Dict\",\"name\":\"users\",\"size\":3}\n[\"alice\","));
  EXPECT_EQ(ctl({"load-object", "copy"}, dump.out).status, 0);
  EXPECT_EQ(must(must(client_->open<Dict>("copy")).items()), must(dict.items()));
  EXPECT_EQ(ctl({"load-object", "copy"}, dump.out).status, 1);

  const auto attributes = made<Namespace>("settings");
  must(attributes.set("colour", "blue"));
  const Result settings = ctl({"dump", "settings"});
  EXPECT_EQ(settings.out,
            "{\"kind\":\"Namespace\",\"name\":\"settings\",\"size\":1}\n[\"colour\",\"blue\"]\n");
  const Result loaded = ctl({"load-object", "more", "--json"}, settings.out);
  EXPECT_EQ(loaded.parsed(),
            json::parse("{\"version\":1,\"name\":\"more\",\"kind\":\"Namespace\",\"entries\":1}"));
  EXPECT_EQ(must(must(client_->open<Namespace>("more")).get("colour")), Value("blue"));
  EXPECT_EQ(ctl({"load-object", "as dict", "--kind", "dict"}, settings.out).status, 0);
  EXPECT_EQ(must(must(client_->open<Dict>("as dict")).get("colour")), Value("blue"));

  using Symbol = std::array<char, 8>;
  const auto quotes = made<TypedDict<Symbol, Quote>>("quotes");
  must(quotes.put({'A', 'B'}, {.bid = 1, .ask = 2}));
  const Result typed = ctl({"dump", "quotes"});
  EXPECT_EQ(typed.out,
            "{\"kind\":\"TypedDict\",\"name\":\"quotes\",\"type\":\"u8[8],test.quote:1\","
            "\"key_size\":8,\"value_size\":8,\"size\":1}\n"
            "[[65,66,0,0,0,0,0,0],{\"bytes\":\"AQAAAAIAAAA=\"}]\n");
  EXPECT_EQ(ctl({"load-object", "again"}, typed.out).status, 0);
  const auto again = must(client_->open<TypedDict<Symbol, Quote>>("again"));
  EXPECT_EQ(must(again.get({'A', 'B'})).ask, 2);
}

TEST_F(ShoalctlDict, WhatCannotBeLoadedLeavesNothing) {
  const auto refused = [&](const std::string& input, const Words& flags = {}) {
    const Result result = ctl(joined({"load-object", "it"}, flags), input);
    EXPECT_EQ(result.status, 1) << input;
    EXPECT_EQ(client_->stat("it").status().code(), absl::StatusCode::kNotFound);
    return result.err;
  };
  EXPECT_THAT(refused("[1,2]\n"), HasSubstr("give --kind"));
  EXPECT_THAT(refused("[1,2]\n\n[3\n", {"--kind", "dict"}), HasSubstr("line 3: not JSON"));
  EXPECT_THAT(refused("[1,2]\n[3]\n", {"--kind", "dict"}), HasSubstr("line 2: an entry is"));
  EXPECT_THAT(refused("[1,2]\n", {"--kind", "namespace"}), HasSubstr("no name of an attribute"));
  EXPECT_THAT(refused("{\"kind\":\"Queue\"}\n"), HasSubstr("not a"));
  EXPECT_THAT(refused("{\"kind\":\"TypedDict\"}\n"), HasSubstr("key_size"));
  EXPECT_THAT(refused("{\"kind\":\"Dict\",\"size\":2}\n[1,2]\n"), HasSubstr("cut short"));
  EXPECT_THAT(refused("{\"kind\":\"Dict\",\"size\":0}\n[1,2]\n"), HasSubstr("1 follow"));
  EXPECT_THAT(refused("{\"kind\":\"Dict\"}\n[1,2]\n", {"--kind", "list"}),
              HasSubstr("a List is made of values"));
  EXPECT_EQ(ctl({"load-object", "it", "--kind", "queue"}).status, 2);
  EXPECT_EQ(ctl({"load-object", "it", "--kind", "dict"}).status, 0);
  EXPECT_EQ(must(must(client_->open<Dict>("it")).size()), 0U);
}

TEST_F(ShoalctlDict, TypedDictsTakeKeysAndValuesOfTheirTypes) {
  const auto counts = made<TypedDict<std::int32_t, double>>("counts");
  EXPECT_EQ(ctl({"set", "counts", "-5", "2.5"}).status, 0);
  EXPECT_EQ(must(counts.get(-5)), 2.5);
  EXPECT_EQ(ctl({"get", "counts", "-5"}).out, "2.5\n");
  EXPECT_EQ(ask({"get", "counts"}).at("entries"), json::parse("[{\"key\":-5,\"value\":2.5}]"));
  EXPECT_EQ(ctl({"get", "counts", "3000000000"}).status, 1);
  EXPECT_THAT(ctl({"set", "counts", "1", "\"x\""}).err, HasSubstr("not of type f64"));

  const auto quotes = made<TypedDict<std::array<char, 8>, Quote>>("quotes");
  EXPECT_EQ(ctl({"set", "quotes", "AB", "{\"bytes\":\"AQAAAAIAAAA=\"}"}).status, 0);
  EXPECT_EQ(must(quotes.get({'A', 'B'})).ask, 2);
  EXPECT_EQ(ctl({"get", "quotes", "AB"}).out, "0100000002000000\n");
  EXPECT_EQ(ctl({"get", "quotes", "too long for it"}).status, 1);

  const auto by_id = made<TypedDict<std::uint64_t, std::array<std::uint64_t, 2>>>("by id");
  EXPECT_EQ(ctl({"set", "by id", "18446744073709551615", "[1,18446744073709551615]"}).status, 0);
  EXPECT_EQ(must(by_id.get(~std::uint64_t{0}))[1], ~std::uint64_t{0});
}

TEST_F(ShoalctlDict, StatTellsHowItIsFilled) {
  const auto dict = made<Dict>("users");
  for (int i = 0; i < 100; ++i) must(dict.put(i, std::string(100, 'x')));
  must(dict.put(5, "y"));
  must(dict.put("large", std::string(100'000, 'x')));
  const json stat = ask({"stat", "users"});
  EXPECT_EQ(stat.at("kind"), "Dict");
  EXPECT_EQ(stat.at("entries"), 101);
  EXPECT_GT(stat.at("live_bytes"), 100 * 100);
  EXPECT_GE(stat.at("dead_bytes"), 100);
  EXPECT_EQ(stat.at("large_values"), 1);
  EXPECT_GE(stat.at("shards"), 1);
  EXPECT_GT(stat.at("load"), 0.0);
  EXPECT_GE(stat.at("probes"), 1.0);
  EXPECT_EQ(stat.at("contended"), 0);
  const std::string text = ctl({"stat", "users"}).out;
  EXPECT_THAT(text, ContainsRegex("entries +101\n"));
  EXPECT_THAT(text, HasSubstr("held by"));
  (void)made<TypedDict<std::int32_t, double>>("counts");
  EXPECT_EQ(ask({"stat", "counts"}).at("type"), "i32,f64");
  EXPECT_EQ(ask({"stat", "counts"}).at("entries"), 0);
}

TEST_F(ShoalctlDict, VerifyLooksWhileOthersWriteAndFindsDamage) {
  const auto dict = made<Dict>("users");
  (void)made<Namespace>("settings");
  (void)made<Lock>("lock");
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (int i = 0; !over; ++i) {
      (void)dict.put(i % 1000, std::string(static_cast<std::size_t>(i % 300), 'x'));
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ctl({"verify", "users"}).status, 0);
  over = true;
  writer.join();
  const json all = ask({"verify"}).at("objects");
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].at("name"), "settings");
  EXPECT_EQ(all[1].at("sound"), true);
  EXPECT_EQ(all[1].at("entries"), must(dict.size()));
  EXPECT_EQ(ask({"verify", "users"}).at("problem"), nullptr);
  EXPECT_THAT(ctl({"verify"}).out, ContainsRegex("users +Dict +[0-9]+ .* sound\n"));
  EXPECT_THAT(ctl({"verify", "lock"}).err, HasSubstr("is a Lock"));
  EXPECT_EQ(ctl({"verify", "lock"}).status, 1);

  const auto array = must(client_->create<Array<std::uint64_t>>("array", {.size = 100}));
  const std::span<std::byte> arena = arena_around(array.data().data());
  auto* const descriptor = reinterpret_cast<memory::DictDescriptor*>(
      arena.data() + memory::Geometry::kObjectTable +
      static_cast<std::uint32_t>(dict.id()) * sizeof(memory::DictDescriptor));
  descriptor->first.root.store(~std::uint64_t{0});
  const Result damaged = ctl({"verify"});
  EXPECT_EQ(damaged.status, 4);
  EXPECT_THAT(damaged.out, ContainsRegex("users +Dict .* damaged\n"));
  EXPECT_THAT(damaged.err, HasSubstr("Dict \"users\""));
  EXPECT_EQ(ctl({"verify", "users"}).status, 4);
  const Result told = ctl({"verify", "users", "--json"});
  EXPECT_EQ(told.parsed().at("sound"), false);
  EXPECT_EQ(ctl({"verify", "settings"}).status, 0);
  EXPECT_EQ(ctl({"stat", "users"}).status, 4);
}

}  // namespace
}  // namespace shoal::e2e
