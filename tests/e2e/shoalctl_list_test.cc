// shoalctl get, set, dump, stat and verify of Lists.
#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/list_container_layout.h"
#include "tests/e2e/hostile_arena.h"
#include "tests/e2e/shoalctl_fixture.h"
#include "tests/support/watchdog.h"

namespace shoal::e2e {
namespace {

using test::must;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class ShoalctlList : public Shoalctl {
 protected:
  List made(const std::string& name, const std::vector<Value>& values = {}) const {
    auto list = must(client_->create<List>(name));
    must(list.extend(values));
    return list;
  }
};

TEST_F(ShoalctlList, GetShowsElementsAndSlices) {
  const auto list = made("jobs", {0, "one", Value::tuple({2, "two"}), 3.5, shoal::Bytes("\xff")});
  EXPECT_EQ(ask({"get", "jobs"}).at("values"),
            json::parse("[0,\"one\",{\"tuple\":[2,\"two\"]},3.5,{\"bytes\":\"/w==\"}]"));
  EXPECT_EQ(ask({"get", "jobs", "-2"}).at("value"), 3.5);
  EXPECT_EQ(ctl({"get", "jobs", "1"}).out, "one\n");
  EXPECT_EQ(ctl({"get", "jobs", "2"}).out, "(2, 'two')\n");
  const std::string table = ctl({"get", "jobs"}).out;
  EXPECT_THAT(table, StartsWith("INDEX  TYPE"));
  EXPECT_THAT(table, ContainsRegex("1 +string +\"one\"\n"));

  const auto slice = [&](const std::string& words) {
    return ask({"get", "jobs", words}).at("values").dump();
  };
  EXPECT_EQ(slice("0:2"), "[0,\"one\"]");
  EXPECT_EQ(slice(":1"), "[0]");
  EXPECT_EQ(slice("-2:-1"), "[3.5]");
  EXPECT_EQ(slice("3::-3"), "[3.5,0]");
  EXPECT_EQ(slice("4:2"), "[]");
  EXPECT_THAT(ctl({"get", "jobs", "1:3"}).out, ContainsRegex("^TYPE +VALUE\nstring +\"one\"\n"));
  EXPECT_EQ(ctl({"get", "jobs", "7:"}).err, "shoalctl: jobs has no elements there\n");
  (void)made("empty");
  EXPECT_EQ(ctl({"get", "empty"}).err, "shoalctl: empty has no elements\n");

  const Result outside = ctl({"get", "jobs", "5"});
  EXPECT_EQ(outside.status, 1);
  EXPECT_THAT(outside.err, HasSubstr("List \"jobs\" has no element 5; it has 5 of them"));
  EXPECT_THAT(ctl({"get", "jobs", "::0"}).err, HasSubstr("step of 0"));
  for (const char* word : {"x", "1:2:3:4", "1:x", ""}) {
    const Result refused = ctl({"get", "jobs", word});
    EXPECT_EQ(refused.status, 2) << word;
    EXPECT_THAT(refused.err, HasSubstr("or a slice")) << word;
    EXPECT_THAT(refused.out, IsEmpty());
  }
  EXPECT_EQ(ctl({"get", "jobs", "1", "--key-json"}).status, 2);
  (void)make_list("fixed", {1, 2});
  EXPECT_EQ(ctl({"get", "fixed", "0:1"}).status, 2);
}

TEST_F(ShoalctlList, SetPutsAValueInThePlaceOfAnElement) {
  const auto list = made("jobs", {0, 1, 2});
  EXPECT_EQ(ctl({"set", "jobs", "0", "[1,null]"}).status, 0);
  EXPECT_EQ(ctl({"set", "jobs", "-1", "42", "--text"}).status, 0);
  EXPECT_EQ(must(list.items()), (std::vector<Value>{Value::list({1, nullptr}), 1, "42"}));
  EXPECT_EQ(ask({"set", "jobs", "1", "true"}), json::parse("{\"version\":1}"));
  EXPECT_EQ(must(list.get(1)), Value(true));
  EXPECT_EQ(ctl({"set", "jobs", "3", "1"}).status, 1);
  EXPECT_EQ(ctl({"set", "jobs", "a", "1"}).status, 2);
  EXPECT_EQ(ctl({"set", "jobs", "0", "x"}).status, 2);
  EXPECT_EQ(must(list.size()), 3U);

  const auto fixed = make_list("fixed", {1, "12345678"});
  EXPECT_EQ(ctl({"set", "fixed", "0", "2.5"}).status, 0);
  EXPECT_EQ(must(fixed.get(0)), Value(2.5));
  EXPECT_THAT(ctl({"set", "fixed", "1", std::string(100, 'x'), "--text"}).err,
              HasSubstr("fixed: a value of 100 bytes"));
  EXPECT_EQ(must(fixed.get(1)), Value("12345678"));
}

TEST_F(ShoalctlList, DumpsLoadBack) {
  const auto list =
      made("jobs", {nullptr, true, std::int64_t{1} << 60, -0.0, 1.0,
                    std::numeric_limits<double>::infinity(), "text \" \n", shoal::Bytes("\xff"),
                    Value::set({1, 2}), Value::map({{3, Value::list({"x"})}}),
                    std::string(5000, 'y'), Value::opaque("pickle", shoal::Bytes("z"))});
  for (int i = 0; i < 5000; ++i) must(list.append(i));
  const Result dump = ctl({"dump", "jobs"});
  EXPECT_THAT(dump.out, StartsWith("{\"kind\":\"List\",\"name\":\"jobs\",\"size\":5012}\nnull\n"));
  EXPECT_EQ(ctl({"dump", "jobs", "--json"}).out, dump.out);
  EXPECT_EQ(ctl({"dump", "jobs", "--hex"}).status, 1);
  const Result loaded = ctl({"load-object", "copy", "--json"}, dump.out);
  EXPECT_EQ(loaded.parsed(),
            json::parse("{\"version\":1,\"name\":\"copy\",\"kind\":\"List\",\"elements\":5012}"));
  const auto copy = must(client_->open<List>("copy"));
  EXPECT_EQ(must(copy.items()), must(list.items()));
  EXPECT_EQ(ctl({"dump", "copy"}).out.substr(60), dump.out.substr(60));

  const Result again = ctl({"load-object", "copy"}, dump.out);
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("copy was not loaded: "));
  EXPECT_EQ(must(copy.size()), 5012U);

  EXPECT_EQ(ctl({"load-object", "own", "--kind", "list"}, "1\n\"x\"\n[2,3]\n").status, 0);
  EXPECT_EQ(must(must(client_->open<List>("own")).items()),
            (std::vector<Value>{1, "x", Value::list({2, 3})}));
  EXPECT_EQ(ctl({"load-object", "none", "--kind", "list"}).status, 0);
  EXPECT_EQ(must(must(client_->open<List>("none")).size()), 0U);
}

TEST_F(ShoalctlList, StatTellsHowItIsFilled) {
  const auto list = made("jobs");
  for (int i = 0; i < 3000; ++i) must(list.append(std::string(100, 'x')));
  must(list.set(5, "y"));
  must(list.append(std::string(100'000, 'x')));
  const json stat = ask({"stat", "jobs"});
  EXPECT_EQ(stat.at("kind"), "List");
  EXPECT_EQ(stat.at("elements"), 3001);
  EXPECT_EQ(stat.at("leaves"), 2);
  EXPECT_EQ(stat.at("large_values"), 1);
  EXPECT_GT(stat.at("live_bytes"), 3000 * 100 + 100'000);
  EXPECT_GE(stat.at("dead_bytes"), 100);
  EXPECT_GE(stat.at("block_bytes"), stat.at("live_bytes"));
  const std::string text = ctl({"stat", "jobs"}).out;
  EXPECT_THAT(text, ContainsRegex("elements +3001\n"));
  EXPECT_THAT(text, ContainsRegex("large values +1\n"));
  EXPECT_THAT(text, HasSubstr("held by"));
}

TEST_F(ShoalctlList, VerifyLooksWhileOthersWriteAndFindsDamage) {
  const auto list = made("jobs");
  (void)must(client_->create<Dict>("users"));
  for (int i = 0; i < 2000; ++i) must(list.append(i));
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (int i = 0; !over; ++i) {
      (void)list.set(i % 2000, std::string(static_cast<std::size_t>(i % 40 * 100), 'x'));
      (void)list.append(std::string(3000, 'y'));
      if (i % 100 == 0) (void)list.insert(0, i);
      if (i % 100 == 50) (void)list.erase_slice({.start = 2000});
    }
  });
  for (int i = 0; i < 20; ++i) {
    const Result sound = ctl({"verify", "jobs"});
    EXPECT_EQ(sound.status, 0) << sound.err;
  }
  over = true;
  writer.join();
  const json all = ask({"verify"}).at("objects");
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].at("name"), "jobs");
  EXPECT_EQ(all[0].at("sound"), true);
  EXPECT_EQ(all[0].at("elements"), must(list.size()));
  EXPECT_EQ(all[1].at("entries"), 0);
  EXPECT_EQ(ask({"verify", "jobs"}).at("problem"), nullptr);
  EXPECT_THAT(ctl({"verify"}).out, ContainsRegex("jobs +List +[0-9]+ .* sound\n"));
  EXPECT_THAT(ctl({"verify", "jobs"}).out, StartsWith("NAME"));

  const auto array = must(client_->create<Array<std::uint64_t>>("array", {.size = 100}));
  const std::span<std::byte> arena = arena_around(array.data().data());
  auto* const descriptor = reinterpret_cast<memory::ListDescriptor*>(
      arena.data() + memory::Geometry::kObjectTable +
      static_cast<std::uint32_t>(list.id()) * sizeof(memory::ListDescriptor));
  const std::uint64_t root = descriptor->root.load();
  // The last leaf: one word of its spine.
  const auto geometry =
      memory::Geometry::of(reinterpret_cast<const memory::ArenaHeader*>(arena.data())->arena_bytes);
  std::byte* const spine =
      arena.data() + geometry.chunks +
      std::uint64_t{memory::ListPlace::of(root).place - 1} * memory::kListPlaceBytes;
  auto& leaf = *reinterpret_cast<memory::Word64*>(spine + sizeof(memory::ListSpine));
  const std::uint64_t word = leaf.load();
  leaf.store(0);
  EXPECT_EQ(ctl({"verify", "jobs"}).status, 4);
  EXPECT_THAT(ctl({"verify", "jobs"}).err, HasSubstr("List \"jobs\": leaf 0 is not there"));
  leaf.store(word);
  EXPECT_EQ(ctl({"verify", "jobs"}).status, 0);
  descriptor->root.store(~std::uint64_t{0});
  const Result damaged = ctl({"verify"});
  EXPECT_EQ(damaged.status, 4);
  EXPECT_THAT(damaged.out, ContainsRegex("jobs +List .* damaged\n"));
  EXPECT_THAT(damaged.err, HasSubstr("List \"jobs\""));
  EXPECT_EQ(ctl({"verify", "jobs", "--json"}).parsed().at("sound"), false);
  EXPECT_EQ(ctl({"verify", "users"}).status, 0);
  EXPECT_EQ(ctl({"stat", "jobs"}).status, 4);
}

}  // namespace
}  // namespace shoal::e2e
