// Dict::view: large values where they lie, whatever happens to the key meanwhile.
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/sync.h"

namespace shoal::e2e {
namespace {

constexpr std::size_t kLarge = std::size_t{3} << 20;

std::string large(char c) { return std::string(kLarge, c); }

class Views : public Sync {
 protected:
  static Dict put(const Dict& dict, char c) {
    must(dict.put("key", Bytes(large(c))));
    return dict;
  }
  static bool is(const ValueView& view, char c) {
    return view.bytes().size() == kLarge &&
           std::all_of(view.bytes().begin(), view.bytes().end(),
                       [c](std::byte b) { return b == static_cast<std::byte>(c); });
  }
  const Dict dict_ = made<Dict>("it");
};

TEST_F(Views, ShowWhatWasPut) {
  put(dict_, 'a');
  const ValueView view = must(dict_.view("key"));
  EXPECT_EQ(view.kind(), ValueKind::kBytes);
  EXPECT_TRUE(is(view, 'a'));
  must(dict_.put("small", "text"));
  EXPECT_EQ(must(dict_.view("small")).text(), "text");
  EXPECT_EQ(must(dict_.view("small")).kind(), ValueKind::kString);
  must(dict_.put("between", std::string(30'000, 'b')));
  EXPECT_EQ(must(dict_.view("between")).text(), std::string(30'000, 'b'));
  EXPECT_EQ(code(dict_.view("none")), "NOT_FOUND");
  EXPECT_EQ(code(Dict().view("none")), "FAILED_PRECONDITION");
}

TEST_F(Views, StayWhenTheValueGoes) {
  put(dict_, 'a');
  const ValueView replaced = must(dict_.view("key"));
  put(dict_, 'b');
  const ValueView erased = must(dict_.view("key"));
  must(dict_.erase("key"));
  put(dict_, 'c');
  const ValueView cleared = must(dict_.view("key"));
  must(dict_.clear());
  put(dict_, 'd');
  const ValueView in_transaction = must(dict_.view("key"));
  must(client_.transact([&](Transaction& t) { return t.put(dict_, "key", Bytes(large('e'))); }));
  EXPECT_TRUE(is(replaced, 'a'));
  EXPECT_TRUE(is(erased, 'b'));
  EXPECT_TRUE(is(cleared, 'c'));
  EXPECT_TRUE(is(in_transaction, 'd'));
  EXPECT_TRUE(is(must(dict_.view("key")), 'e'));
  EXPECT_TRUE(dict_.verify().ok());
}

// Values come and go behind views until the memory of those would not fit side by side: it is used
// again as soon as no view shows it.
TEST_F(Views, GiveTheMemoryBackWhenTheyEnd) {
  must(client_.arena("default").set_quota(24 << 20));
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(code(dict_.put("key", Bytes(large('a')))), "OK") << i;
    const ValueView view = must(dict_.view("key"));
    const ValueView another = view;
    ASSERT_EQ(code(dict_.put("key", Bytes(large('b')))), "OK") << i;
    EXPECT_TRUE(is(another, 'a'));
  }
}

TEST_F(Views, OfTheDeadGiveTheMemoryBack) {
  must(client_.arena("default").set_quota(24 << 20));
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(code(dict_.put("key", Bytes(large('a')))), "OK") << i;
    Child viewer([&](Channel& parent) {
      const Dict dict = opened<Dict>("it");
      const ValueView view = must(dict.view("key"));
      parent.say("ready");
      (void)parent.hear();
      return std::string(is(view, 'a') ? "as it was" : "changed");
    });
    ASSERT_EQ(viewer.hear(), "ready");
    ASSERT_EQ(code(dict_.put("key", Bytes(large('b')))), "OK") << i;
    if (i % 2 == 0) {
      viewer.kill();
    } else {
      viewer.say("go on");
      EXPECT_EQ(viewer.result(), "as it was");
    }
    // The manager hears of a death a little later.
    ASSERT_TRUE(wait_until([&] { return dict_.put("key", Bytes(large('c'))).ok(); })) << i;
  }
}

TEST_F(Views, AreForReadersToo) {
  put(dict_, 'a');
  Child reader([&](Channel&) {
    const Dict dict = opened<Dict>("it", {.access = Access::kReadOnly});
    const ValueView view = must(dict.view("key"));
    return std::string(is(view, 'a') ? "as it was" : "changed");
  });
  EXPECT_EQ(reader.result(), "as it was");
}

// What a child looks up is pinned by the child, whatever becomes of the view that it inherited.
TEST_F(Views, OfAChildAreItsOwn) {
  put(dict_, 'a');
  ValueView view = must(dict_.view("key"));
  Child child([&](Channel& parent) {
    view = must(dict_.view("key"));
    parent.say("ready");
    (void)parent.hear();
    return std::string(is(view, 'a') ? "as it was" : "changed");
  });
  ASSERT_EQ(child.hear(), "ready");
  view = ValueView();
  for (char c = 'b'; c < 'g'; ++c) put(dict_, c);
  child.say("look");
  EXPECT_EQ(child.result(), "as it was");
}

TEST_F(Views, OutliveTheProxyAndTheName) {
  put(dict_, 'a');
  ValueView view;
  {
    const Dict dict = opened<Dict>("it");
    view = must(dict.view("key"));
    must(dict.unlink());
  }
  const Dict next = made<Dict>("it");
  for (char c = 'b'; c < 'g'; ++c) put(next, c);
  EXPECT_TRUE(is(view, 'a'));
}

TEST_F(Views, AreCounted) {
  // Of blocks of 64 KiB, as many as a process may have in view.
  must(client_.arena("default").set_quota(std::uint64_t{2} << 30));
  const std::string value(64 << 10, 'x');
  std::vector<ValueView> views;
  for (int i = 0; i < 4096; ++i) {
    ASSERT_EQ(code(dict_.put_bytes(i, std::as_bytes(std::span(value)))), "OK") << i;
    absl::StatusOr<ValueView> view = dict_.view(i);
    ASSERT_EQ(code(view), "OK") << i;
    views.push_back(*std::move(view));
  }
  must(dict_.put_bytes("one more", std::as_bytes(std::span(value))));
  const absl::StatusOr<ValueView> refused = dict_.view("one more");
  EXPECT_EQ(code(refused), "RESOURCE_EXHAUSTED");
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("4096"));
  views.pop_back();
  EXPECT_EQ(code(dict_.view("one more")), "OK");
}

// Somebody replaces the value all the time: each view is whole, and stays so.
TEST_F(Views, AreWholeBesideWriters) {
  put(dict_, 'a');
  Child writer([&](Channel& parent) {
    const Dict dict = opened<Dict>("it");
    parent.say("ready");
    for (int i = 0; i < 300; ++i) put(dict, static_cast<char>('a' + i % 26));
    return std::string("done");
  });
  ASSERT_EQ(writer.hear(), "ready");
  for (int i = 0; i < 100; ++i) {
    const ValueView view = must(dict_.view("key"));
    const auto first = static_cast<char>(view.bytes()[0]);
    ASSERT_TRUE(is(view, first)) << i;
  }
  EXPECT_EQ(writer.result(), "done");
  EXPECT_TRUE(dict_.verify().ok());
}

}  // namespace
}  // namespace shoal::e2e
