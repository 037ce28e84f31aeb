// Objects in the memory of arenas, as clients ask for them: what may be created, what a reply says,
// what a descriptor lets its holder do.
#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/service.h"
#include "tests/harness/invariants.h"
#include "tests/harness/world.h"

namespace shoal::daemon {
namespace {

using absl::StatusCode;
using test::Invariants;
using test::Reply;
using test::TestClient;
using test::World;
using testing::AllOf;
using testing::HasSubstr;
using wire::Access;
using wire::Kind;
using C = wire::Create::Builder;

class ServiceArenaTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(client_.hello().ok()); }
  void TearDown() override { EXPECT_EQ(Invariants::broken(world_.state), ""); }

  StatusCode code(Kind kind, std::uint64_t parameter,
                  const std::function<void(C)>& change = nullptr) {
    const Reply reply = client_.create_in_arena("", kind, parameter, change);
    EXPECT_FALSE(reply.hang_up());
    if (reply.ok()) {
      EXPECT_LT(reply.descriptor(0), 0);
      client_.release(reply.object());
    } else {
      EXPECT_THAT(reply.message(), HasSubstr("\"\""));
    }
    return reply.code();
  }
  ArenaMemory& memory() { return *world_.state.memories.find(1); }

  World world_;
  TestClient client_{world_};
};

constexpr auto kOk = StatusCode::kOk;
constexpr auto kInvalid = StatusCode::kInvalidArgument;

TEST_F(ServiceArenaTest, ParametersHaveLimits) {
  struct Row {
    Kind kind;
    std::uint64_t least;
    std::uint64_t most;
    std::uint16_t flags;
  };
  for (const Row& row :
       {Row{Kind::LOCK, 0, 0, 0}, Row{Kind::R_LOCK, 0, 0, 0}, Row{Kind::EVENT, 0, 0, 0},
        Row{Kind::SHARED_LOCK, 1, protocol::kSharersMax, 0},
        Row{Kind::SEMAPHORE, 1, protocol::kOwnedPermitsMax, 0},
        Row{Kind::SEMAPHORE, 0, protocol::kPlainPermitsMax, memory::kFlagPlain},
        Row{Kind::BOUNDED_SEMAPHORE, 1, protocol::kOwnedPermitsMax, 0},
        Row{Kind::CONDITION, 1, protocol::kWaitersMax, 0},
        Row{Kind::BARRIER, 1, protocol::kPartiesMax, 0},
        Row{Kind::CELL, 1, protocol::kCellBytesMax, 0}}) {
    const auto flags = [&](C c) { c.setFlags(row.flags); };
    const int kind = static_cast<int>(row.kind);
    EXPECT_EQ(code(row.kind, row.least, flags), kOk) << kind;
    EXPECT_EQ(code(row.kind, row.most, flags), kOk) << kind;
    EXPECT_EQ(code(row.kind, row.most + 1, flags), kInvalid) << kind;
    EXPECT_EQ(code(row.kind, ~std::uint64_t{0}, flags), kInvalid) << kind;
    if (row.least == 0) continue;
    EXPECT_EQ(code(row.kind, row.least - 1, flags), kInvalid) << kind;
  }
  EXPECT_EQ(code(Kind::ARRAY, 1), kOk);
  EXPECT_EQ(code(Kind::ARRAY, 0), kInvalid);
  // More than the arena has is no mistake of the caller's program.
  EXPECT_EQ(code(Kind::ARRAY, std::uint64_t{1} << 30), StatusCode::kResourceExhausted);
  EXPECT_EQ(code(Kind::ARRAY, memory::kArenaBytesMax + 1), kInvalid);
}

TEST_F(ServiceArenaTest, OptionsMustFitTheKind) {
  const auto flags = [](std::uint16_t value) { return [=](C c) { c.setFlags(value); }; };
  EXPECT_EQ(code(Kind::LOCK, 0, flags(memory::kFlagReleaseByAnyone)), kOk);
  EXPECT_EQ(code(Kind::R_LOCK, 0, flags(memory::kFlagReleaseByAnyone)), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, flags(memory::kFlagPlain)), kInvalid);
  EXPECT_EQ(code(Kind::SEMAPHORE, 1, flags(4)), kInvalid);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.setFingerprint(""); }), kInvalid);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.setFingerprint(std::string(63, 'f').c_str()); }), kOk);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.setFingerprint(std::string(64, 'f').c_str()); }),
            kInvalid);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.setFingerprint("a\nb"); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setFingerprint("i32"); }), kInvalid);
  EXPECT_EQ(code(Kind::ARRAY, 12, [](C c) { c.setElementBytes(4); }), kOk);
  EXPECT_EQ(code(Kind::ARRAY, 12, [](C c) { c.setElementBytes(5); }), kInvalid);
  EXPECT_EQ(code(Kind::ARRAY, 12, [](C c) { c.setElementBytes(0); }), kInvalid);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.initInitial(4); }), kOk);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.initInitial(3); }), kInvalid);
  EXPECT_EQ(code(Kind::CELL, 4, [](C c) { c.initInitial(5); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.initInitial(1); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setSealable(true); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setSparse(true); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setHugePages(true); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setNumaNode(0); }), kInvalid);
  EXPECT_EQ(code(Kind::LOCK, 0, [](C c) { c.setSize(~std::uint64_t{0}); }), kOk);
  EXPECT_EQ(world_.state.objects.count(), 0U);
}

TEST_F(ServiceArenaTest, AReplySaysWhatTheObjectIs) {
  const Reply made = client_.create_in_arena("a", Kind::ARRAY, 4096, [](C c) {
    c.setElementBytes(8);
    c.setFingerprint("f64");
  });
  ASSERT_TRUE(made.ok()) << made.message();
  EXPECT_TRUE(made.get().getAttached().getCreated());
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  const Reply opened = other.open("a", Access::READ_ONLY);
  ASSERT_TRUE(opened.ok()) << opened.message();
  for (const Reply* reply : {&made, &opened}) {
    const auto attached = reply->get().getAttached();
    EXPECT_EQ(attached.getKind(), Kind::ARRAY);
    EXPECT_EQ(attached.getSize(), 4096U);
    EXPECT_EQ(attached.getParameter(), 4096U);
    EXPECT_EQ(attached.getElementBytes(), 8U);
    EXPECT_STREQ(attached.getFingerprint().cStr(), "f64");
    EXPECT_NE(attached.getBlock(), 0U);
    EXPECT_LT(reply->descriptor(0), 0);
  }
  EXPECT_EQ(opened.get().getAttached().getBlock(), made.get().getAttached().getBlock());
  const Reply shown = client_.stat("a");
  const auto object = shown.get().getHolders().getObject();
  EXPECT_EQ(object.getParameter(), 4096U);
  EXPECT_EQ(object.getElementBytes(), 8U);
  EXPECT_STREQ(object.getFingerprint().cStr(), "f64");
  EXPECT_EQ(object.getBlock(), made.get().getAttached().getBlock());
  EXPECT_EQ(object.getCommitted(), 4096U + 256U);
}

TEST_F(ServiceArenaTest, TheTypeIsCheckedOnOpen) {
  ASSERT_TRUE(client_.create_in_arena("c", Kind::CELL, 4).ok());
  const auto open = [&](const char* fingerprint) {
    return client_.call([&](wire::Request::Builder request) {
      auto wanted = request.initOpen();
      wanted.setName("c");
      wanted.setFingerprint(fingerprint);
    });
  };
  EXPECT_TRUE(open("").ok());
  EXPECT_TRUE(open("u8").ok());
  const Reply refused = open("f32");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(),
              AllOf(HasSubstr("\"c\""), HasSubstr("\"u8\""), HasSubstr("\"f32\"")));
  // Of an existing object, open_or_create looks at kind and type alone: its options stay.
  const auto existing = [&](Kind kind, std::uint64_t parameter, const char* fingerprint) {
    return client_.create_in_arena("c", kind, parameter, [&](C c) {
      c.setOpenExisting(true);
      c.setFingerprint(fingerprint);
    });
  };
  const Reply kept = existing(Kind::CELL, 8, "u8");
  ASSERT_TRUE(kept.ok()) << kept.message();
  EXPECT_FALSE(kept.get().getAttached().getCreated());
  EXPECT_EQ(kept.get().getAttached().getParameter(), 4U);
  EXPECT_EQ(existing(Kind::CELL, 4, "f32").code(), StatusCode::kFailedPrecondition);
  const Reply other_kind = existing(Kind::EVENT, 0, "");
  EXPECT_EQ(other_kind.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(other_kind.message(), HasSubstr("is of kind Cell, not Event"));
}

TEST_F(ServiceArenaTest, ObjectsAreLaidWithTheirValues) {
  const Reply cell = client_.create_in_arena("", Kind::CELL, 4, [](C c) {
    auto value = c.initInitial(4);
    std::memcpy(value.begin(), "abcd", 4);
  });
  ASSERT_TRUE(cell.ok());
  const memory::ObjectView view = world_.state.objects.view(index_of(cell.object()));
  EXPECT_EQ(view.descriptor->id.load(), cell.object());
  std::uint32_t word = 0;
  std::memcpy(&word, "abcd", 4);
  EXPECT_EQ(view.descriptor->value.load(), word);
  const Reply plain =
      client_.create_in_arena("", Kind::SEMAPHORE, 7, [](C c) { c.setFlags(memory::kFlagPlain); });
  EXPECT_EQ(world_.state.objects.view(index_of(plain.object())).descriptor->value.load(), 7U);
}

TEST(ServiceArena, ReadersGetNoWritableArena) {
  World world({.mode = 0604});
  TestClient reader(world, test::stranger());
  ASSERT_TRUE(reader.hello().ok());
  EXPECT_TRUE(reader.arena_map(Access::READ_ONLY).ok());
  EXPECT_EQ(reader.arena_map(Access::READ_WRITE).code(), StatusCode::kPermissionDenied);
  TestClient administrator(world);
  ASSERT_TRUE(administrator.hello("").ok());
  EXPECT_EQ(administrator.arena_map(Access::READ_ONLY).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(reader.create_in_arena("a", Kind::LOCK).code(), StatusCode::kPermissionDenied);
}

TEST_F(ServiceArenaTest, NothingOfASegmentIsThere) {
  const std::uint64_t lock = client_.create_in_arena("a", Kind::LOCK).object();
  EXPECT_EQ(client_.seal(lock).code(), StatusCode::kFailedPrecondition);
  const Reply descriptor = client_.call(
      [&](wire::Request::Builder request) { request.initDescriptor().setObject(lock); });
  EXPECT_EQ(descriptor.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(descriptor.message(), AllOf(HasSubstr("Lock"), HasSubstr("\"a\"")));
}

TEST_F(ServiceArenaTest, TokensAndNamesWorkAsEver) {
  const Reply made = client_.create_in_arena("", Kind::EVENT);
  ASSERT_TRUE(client_.link(made.object(), "named").ok());
  const Reply shared = client_.share(made.object());
  ASSERT_TRUE(shared.ok());
  TestClient other(world_);
  ASSERT_TRUE(other.hello().ok());
  const Reply taken = other.open_token(shared.token());
  ASSERT_TRUE(taken.ok()) << taken.message();
  EXPECT_EQ(taken.object(), made.object());
  EXPECT_TRUE(other.open("named").ok());
}

TEST(ServiceArena, ObjectsInArenasNeedNoSegments) {
  World world({.descriptors = {.segments = 2, .sessions = 8, .ungreeted = 8, .watches = 8}});
  TestClient client(world);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create("one").ok());
  for (int i = 0; i < 100; ++i) {
    const Reply made = client.create_in_arena("lock" + std::to_string(i), Kind::LOCK);
    ASSERT_TRUE(made.ok()) << made.message();
  }
  EXPECT_TRUE(client.create("two").ok());
  EXPECT_EQ(client.create("three").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Invariants::broken(world.state), "");
}

TEST(ServiceArena, OneUidHasItsShareOfAllObjects) {
  test::Sizes sizes{.mode = 0666};
  sizes.capacity.objects = 20;
  World world(sizes);
  TestClient stranger(world, test::stranger());
  ASSERT_TRUE(stranger.hello().ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(stranger.create_in_arena("s" + std::to_string(i), Kind::LOCK).ok());
  }
  const Reply refused = stranger.create_in_arena("more", Kind::LOCK);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("limit \"objects\" is 20, and 10 for this uid"));
  TestClient own(world);
  ASSERT_TRUE(own.hello().ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(own.create_in_arena("o" + std::to_string(i), Kind::LOCK).ok());
  }
  EXPECT_EQ(own.create_in_arena("more", Kind::LOCK).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Invariants::broken(world.state), "");
}

TEST(ServiceArena, BlocksAreChargedToTheQuota) {
  World world({.quota = 1 << 20});
  TestClient client(world);
  ASSERT_TRUE(client.hello().ok());
  ASSERT_TRUE(client.create_in_arena("half", Kind::ARRAY, 512 << 10).ok());
  const Reply refused = client.create_in_arena("more", Kind::ARRAY, 512 << 10);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("quota"));
  EXPECT_EQ(world.state.objects.count(), 1U);
  ASSERT_TRUE(client.unlink("half").ok());
  EXPECT_FALSE(client.create_in_arena("more", Kind::ARRAY, 512 << 10).ok());  // still attached
  client.die();
  EXPECT_EQ(Invariants::leftovers(world.state), "");
  TestClient next(world);
  ASSERT_TRUE(next.hello().ok());
  EXPECT_TRUE(next.create_in_arena("more", Kind::ARRAY, 512 << 10).ok());
}

}  // namespace
}  // namespace shoal::daemon
