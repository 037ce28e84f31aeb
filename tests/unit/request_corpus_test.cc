// The seeds of tests/fuzz/request_fuzz.cc, made with the protocol's own builders. The test compares
// them with the files of the corpus; with SHOAL_WRITE_CORPUS=FOLDER it writes them there instead.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/service.h"
#include "tests/harness/world.h"

namespace shoal::test {
namespace {

namespace fs = std::filesystem;

// Words that the fuzzer replaces by what the running manager gave out.
constexpr std::uint64_t object_word(std::uint64_t index) {
  return 0x0100'5443'454a'424f | index << 48;
}
constexpr std::uint64_t secret_word(std::uint64_t peer, std::uint64_t word) {
  return 0x0100'5445'5243'4553 | (3 * peer + word) << 48;
}
const std::string kToken = "shoal-TOKEN" + std::string(27, '.');

void fill_secret_words(wire::Secret::Builder out, std::uint64_t peer) {
  out.setSession(secret_word(peer, 0));
  out.setHigh(secret_word(peer, 1));
  out.setLow(secret_word(peer, 2));
}

Fill hello(const char* arena = "default", bool resume = false) {
  return [=](wire::Request::Builder request) {
    TestClient::fill_hello(request.initHello(), arena);
    if (resume) fill_secret_words(request.getHello().initResume(), 0);
  };
}
Fill create(const char* name, wire::Lifetime lifetime = wire::Lifetime::NAMED,
            bool sealable = false, bool existing = false, std::uint64_t size = 4096) {
  return [=](wire::Request::Builder request) {
    auto create = request.initCreate();
    TestClient::fill_create(create, name, size, lifetime);
    create.setSealable(sealable);
    create.setOpenExisting(existing);
    create.setSparse(size > 4096);
  };
}
Fill open(const char* name, wire::Access access = wire::Access::READ_WRITE) {
  return [=](wire::Request::Builder request) {
    request.initOpen().setName(name);
    request.getOpen().setAccess(access);
  };
}
Fill release(std::uint64_t index, std::uint32_t count = 0) {
  return [=](wire::Request::Builder request) {
    auto release = request.initRelease();
    release.setObject(object_word(index));
    release.setCount(count);
  };
}
Fill link(std::uint64_t index, const char* name) {
  return [=](wire::Request::Builder request) {
    request.initLink().setObject(object_word(index));
    request.getLink().setName(name);
  };
}
Fill share(std::uint64_t index) {
  return [=](wire::Request::Builder request) {
    request.initShare().setObject(object_word(index));
    request.getShare().setSeconds(60);
  };
}
Fill list(bool anonymous = false) {
  return [=](wire::Request::Builder request) {
    auto list = request.initList();
    list.setPrefix("a");
    list.setAfter("aa");
    list.setMost(2);
    list.setAnonymous(anonymous);
  };
}
Fill inherit(std::uint32_t count) {
  return [=](wire::Request::Builder request) {
    auto inherit = request.initInherit();
    fill_secret_words(inherit.initParent(), 0);
    auto references = inherit.initReferences(2);
    references[0].setObject(object_word(0));
    references[0].setCount(count);
    references[1].setObject(7);
    references[1].setCount(1);
  };
}
Fill arena_create(const char* name) {
  return [=](wire::Request::Builder request) {
    auto arena = request.initArenaCreate();
    arena.setName(name);
    arena.setMode(0660);
    arena.setQuota(64 << 10);
  };
}

Fill create_in_arena(const char* name, wire::Kind kind, std::uint64_t parameter = 0) {
  return [=](wire::Request::Builder request) {
    auto create = request.initCreate();
    create.setName(name);
    create.setKind(kind);
    create.setParameter(parameter);
    create.setFingerprint(kind == wire::Kind::CELL || kind == wire::Kind::ARRAY ? "u8" : "");
    create.setElementBytes(kind == wire::Kind::ARRAY ? 1 : 0);
  };
}
void arena_map(wire::Request::Builder request) { request.setArenaMap(wire::Access::READ_WRITE); }
void watch(wire::Request::Builder request) { request.setWatch(object_word(0)); }
void poke(wire::Request::Builder request) { request.setPoke(object_word(0)); }
void waits(wire::Request::Builder request) { request.initWaits(); }
Fill pin(std::uint64_t block, bool on) {
  return [=](wire::Request::Builder request) {
    auto pin = request.initPin();
    pin.setObject(object_word(0));
    pin.setBlock(block);
    pin.setOn(on);
  };
}

// An input: who speaks when (see request_fuzz.cc), then the messages with growing ids.
struct Seed {
  unsigned char turns[8];
  std::vector<Fill> messages;
};

std::string bytes_of(const Seed& seed) {
  std::string out(reinterpret_cast<const char*>(seed.turns), sizeof seed.turns);
  std::uint64_t id = 0;
  for (const Fill& fill : seed.messages) {
    const kj::Array<capnp::word> message = encode(++id, fill);
    out.append(message.asChars().begin(), message.asChars().size());
  }
  return out;
}

// Nobody loses a connection or dies unless the turns say so: message 31 never comes.
#define SHOAL_QUIET 31, 31, 0, 0, 0, 0

std::map<std::string, Seed> seeds() {
  using R = wire::Request::Builder;
  const Fill ping = [](R r) { r.setPing(); };
  const Fill goodbye = [](R r) { r.setGoodbye(); };
  const Fill unlink = [](R r) { r.initUnlink().setName("a"); };
  const Fill unlink_by_id = [](R r) { r.initUnlink().setObject(object_word(0)); };
  const Fill stat = [](R r) { r.initStat().setName("a"); };
  const Fill stat_by_id = [](R r) { r.initStat().setObject(object_word(0)); };
  const Fill seal = [](R r) { r.setSeal(object_word(0)); };
  const Fill open_token = [](R r) { r.initOpen().setToken(kToken.c_str()); };
  const Fill descriptor = [](R r) { r.initDescriptor().setObject(object_word(0)); };
  const Fill arenas = [](R r) { r.setArenaList(); };
  const Fill arena_stat = [](R r) { r.setArenaStat("other"); };
  const Fill arena_mode = [](R r) {
    r.initArenaChange().setName("other");
    r.getArenaChange().setMode(0600);
  };
  const Fill arena_quota = [](R r) {
    r.initArenaChange().setName("default");
    r.getArenaChange().setQuota(4096);
  };
  const Fill arena_remove = [](R r) { r.setArenaRemove("other"); };
  const Fill clients = [](R r) { r.initClients().setMost(1); };
  const Fill usage = [](R r) { r.setUsage(); };
  const Fill limits = [](R r) { r.setLimits(); };
  const auto read_only = wire::Access::READ_ONLY;
  const auto session = wire::Lifetime::SESSION;
  const auto referenced = wire::Lifetime::REFERENCED;
  return {
      {"hello", {{0, 0, SHOAL_QUIET}, {ping, hello(), ping, hello()}}},
      {"hello_for_administration", {{0, 0, SHOAL_QUIET}, {hello(""), create("a"), clients}}},
      {"before_hello", {{0, 0, SHOAL_QUIET}, {create("a")}}},
      {"no_such_arena", {{0, 0, SHOAL_QUIET}, {hello("nowhere")}}},
      {"create", {{0, 0, SHOAL_QUIET}, {hello(), create("a"), create("a"), stat, unlink, stat}}},
      {"create_existing",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("a"), create("a", wire::Lifetime::NAMED, false, true), release(0, 1),
         release(0)}}},
      {"create_over_quota",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("a", wire::Lifetime::NAMED, false, false, 400 << 10),
         create("b", wire::Lifetime::NAMED, false, false, 400 << 10)}}},
      {"two_peers",
       {{0b10101010, 0, SHOAL_QUIET},
        {hello(), hello(), create("a"), open("a"), release(0), stat, unlink, release(0)}}},
      {"stranger_refused", {{0b10, 1, SHOAL_QUIET}, {hello(), hello(), create("a")}}},
      {"stranger_open",
       {{0b10101010, 5, SHOAL_QUIET},
        {hello(), hello(), create("a"), open("a", read_only), stat, clients, usage, arenas}}},
      {"nobody",
       {{0b1110, 6, SHOAL_QUIET}, {hello(), hello(), create("a"), arena_create("other")}}},
      {"anonymous",
       {{0, 0, SHOAL_QUIET},
        {hello(), create(""), list(true), link(0, "a"), link(0, "b"), release(0), stat, unlink}}},
      {"token",
       {{0b1001010, 0, SHOAL_QUIET},
        {hello(), hello(), create(""), share(0), share(0), release(0), open_token, open_token}}},
      {"token_left_over",
       {{0, 0, SHOAL_QUIET}, {hello(), create("a"), share(0), unlink, release(0)}}},
      {"lifetime_session",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("a", session), create("b", session), create("", session), link(2, "c"),
         goodbye, stat_by_id}}},
      {"lifetime_session_death",
       {{0b1110, 0, 31, 4, 0, 0, 0, 0},
        {hello(), hello(), create("a", session), create("", session), ping, stat}}},
      {"lifetime_session_heir",
       {{0b0010110, 0, 31, 5, 0, 0, 0, 0},
        {hello(), hello(), create("", session), ping, share(0), open_token, link(0, "a"), stat}}},
      {"lifetime_referenced",
       {{0, 0, SHOAL_QUIET}, {hello(), create("a", referenced), release(0), stat}}},
      {"seal",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("a", wire::Lifetime::NAMED, true), seal, seal, open("a"),
         open("a", read_only), descriptor}}},
      {"seal_with_writer",
       {{0b1010, 0, SHOAL_QUIET},
        {hello(), hello(), create("a", wire::Lifetime::NAMED, true), open("a"), seal}}},
      {"descriptor",
       {{0, 0, SHOAL_QUIET}, {hello(), create("a"), descriptor, release(0), descriptor}}},
      {"list",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("aa"), create("ab"), create("ac"), create("b"), list()}}},
      {"inherit",
       {{0b1111010, 0, SHOAL_QUIET},
        {hello(), hello(), create("a"), inherit(1), inherit(0xffffffff), release(0),
         unlink_by_id}}},
      {"inherit_from_itself",
       {{0, 0, SHOAL_QUIET},
        {hello(), create("a"), inherit(5), inherit(5), inherit(5), release(0)}}},
      {"resume", {{0, 0, 2, 31, 0, 0, 0, 0}, {hello(), create("a"), hello("default", true), stat}}},
      {"resume_of_the_dead",
       {{0b11, 0, 31, 2, 0, 0, 0, 0}, {hello(), create("a"), hello("default", true)}}},
      {"resume_by_other", {{0b110, 1, SHOAL_QUIET}, {hello(), hello("default", true), hello()}}},
      {"arenas",
       {{0, 0, SHOAL_QUIET},
        {hello(), arena_create("other"), arena_create("other"), arenas, arena_stat, arena_mode,
         arena_quota, create("a"), create("b"), arena_remove}}},
      {"arena_in_use",
       {{0b10, 0, 31, 3, 0, 0, 0, 0},
        {hello(), hello("other"), arena_create("other"), arena_remove}}},
      {"arena_busy",
       {{0b11100, 0, 31, 6, 0, 0, 0, 0},
        {hello(), arena_create("other"), hello("other"), create("a"), unlink, arena_remove,
         arena_remove}}},
      {"arena_objects",
       {{0, 0, SHOAL_QUIET},
        {hello(), create_in_arena("a", wire::Kind::LOCK),
         create_in_arena("b", wire::Kind::SEMAPHORE, 70),
         create_in_arena("c", wire::Kind::ARRAY, 70'000), create_in_arena("d", wire::Kind::CELL, 4),
         arena_map, share(0), release(2), seal, descriptor, stat}}},
      {"watches",
       {{0b1010, 0, 31, 7, 0, 0, 0, 0},
        {hello(), hello(), create_in_arena("a", wire::Kind::EVENT), open("a"), watch, watch, poke,
         waits, release(0)}}},
      {"pins",
       {{0, 0, SHOAL_QUIET},
        {hello(), create_in_arena("a", wire::Kind::DICT), arena_map, pin(1 << 16, true),
         pin(~std::uint64_t{0}, true), pin(1 << 16, false), release(0), pin(1 << 16, true)}}},
      {"administration",
       {{0, 0, SHOAL_QUIET}, {hello(), create("a"), clients, usage, limits, arenas, stat}}},
  };
}

#undef SHOAL_QUIET

TEST(RequestCorpus, IsWhatTheBuildersMake) {
  const char* write_to = std::getenv("SHOAL_WRITE_CORPUS");
  const fs::path folder = write_to != nullptr
                              ? fs::path(write_to)
                              : fs::path(SHOAL_TEST_SOURCE_DIR) / "../fuzz/corpus/request";
  for (const auto& [name, seed] : seeds()) {
    const std::string wanted = bytes_of(seed);
    EXPECT_LT(wanted.size(), 4096U) << name;
    if (write_to != nullptr) {
      std::ofstream(folder / name, std::ios::binary) << wanted;
      continue;
    }
    std::ifstream file(folder / name, std::ios::binary);
    const std::string found{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(found, wanted) << name << " is not what the builders make; write the corpus anew";
  }
}

}  // namespace
}  // namespace shoal::test
