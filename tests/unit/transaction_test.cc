// memory/transaction*: records that nobody wrote as a transaction does.
#include "memory/transaction.h"

#include <string>

#include <gtest/gtest.h>

#include "dict_memory.h"

namespace shoal {
namespace {

using memory::Result;
using test::DictMemory;
using test::Process;
using test::TextDict;

// Places where no record can be; the last ones wrap around when something is added.
std::vector<std::uint64_t> strange_places(const memory::Geometry& geometry) {
  return {1,
          256,
          geometry.chunks - 256,
          geometry.chunks + 8,
          geometry.file_bytes,
          geometry.file_bytes + 256,
          std::uint64_t{1} << 63,
          ~std::uint64_t{0},
          ~std::uint64_t{0xff},
          ~std::uint64_t{0xfff}};
}

TEST(TransactionMemory, AMarkThatNamesNoRecordIsLookedThrough) {
  DictMemory memory;
  Process process(1);
  TextDict dict(memory.dict(), process.caller);
  ASSERT_EQ(dict.put("a", "1"), Result::kDone);
  auto& shard = reinterpret_cast<memory::DictDescriptor*>(memory.view().descriptor)->first;
  for (const std::uint64_t place : strange_places(memory.geometry())) {
    shard.transaction.store(place);
    std::string found;
    const auto take = [&](const memory::StoredValue& value) {
      found.resize(value.bytes);
      memory::copy_out(found.data(), value.data, value.bytes);
    };
    EXPECT_EQ(memory.reader().find(memory.reader().key(test::kText, "a"), test::kPatienceNs, take),
              Result::kDone)
        << place;
    EXPECT_EQ(found, "1");
  }
}

TEST(TransactionMemory, ARecordThatIsNoneIsForgotten) {
  DictMemory memory;
  Process process(1);
  Process manager(memory::kManagerSlot);
  TextDict dict(memory.dict(), process.caller);
  ASSERT_EQ(dict.put("a", std::string(100'000, 'x')), Result::kDone);
  std::vector<std::uint64_t> places = strange_places(memory.geometry());
  // Somebody's block, which is no record.
  for (std::uint64_t i = 0; i < 8; ++i) {
    places.push_back(memory.geometry().chunks + i * memory::kChunkBytes);
  }
  for (const std::uint64_t place : places) {
    process.record.transaction.store(place);
    memory::recover_transaction(process.record, memory.home(), manager.caller);
    EXPECT_EQ(process.record.transaction.load(), 0U) << place;
  }
  test::expect_sound(memory);
  EXPECT_EQ(memory.reader().size(), 1U);
}

}  // namespace
}  // namespace shoal
