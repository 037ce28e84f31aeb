// A dict whose bytes are overwritten, before calls and in the middle of them, while everything is
// called. All of it ends, and nothing outside of the bytes is touched: what is around them is not
// mapped. Fed by tests/fuzz/dict_fuzz.cc and by dict_damage_test.cc.
//
//   input:  | image | calls | 2 bytes for each call ... | 12 bytes for each overwrite ... |
//   overwrite: | where: region, 1 of them | which word, 2 | how | 8 bytes |
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "memory/dict.h"
#include "memory/value_references.h"
#include "tests/crash/dict_world.h"

namespace shoal::test {

inline constexpr std::uint32_t kHostileChunks = 6;
inline constexpr std::size_t kOverwriteBytes = 12;

// Sound dicts to begin with: empty, one block, several shards with large values.
inline const std::vector<std::vector<std::byte>>& sound_dicts() {
  static const std::vector<std::vector<std::byte>> all = [] {
    std::vector<std::vector<std::byte>> made;
    for (int entries : {0, 10, 120}) {
      const GuardedBytes bytes(DictWorld::bytes_for(kHostileChunks));
      DictWorld world({bytes.data(), bytes.size()}, kHostileChunks);
      world.lay(kHostileChunks);
      Dict dict = world.open();
      for (int i = 0; i < entries; ++i) {
        const std::string key = "k" + std::to_string(i);
        (void)put_in(dict, world.survivor, key, number_value(i));
        if (i % 10 == 3) (void)put_in(dict, world.survivor, key, text_value("short"));
        if (i % 30 == 5) {
          (void)put_in(dict, world.survivor, key, text_value(std::string(2500, 'l')));
        }
        if (i % 40 == 39) {
          world.for_each_shard([](memory::Shard& shard) { shard.contended.store(1000); });
        }
      }
      world.descriptor().sticky.store(memory::kStickyReferences);
      made.emplace_back(bytes.data(), bytes.data() + bytes.size());
    }
    return made;
  }();
  return all;
}

class HostileDict {
 public:
  HostileDict()
      : bytes_(DictWorld::bytes_for(kHostileChunks)),
        world_({bytes_.data(), bytes_.size()}, kHostileChunks) {}

  void run(const std::uint8_t* data, std::size_t size) {
    at_ = data;
    end_ = data + size;
    const auto& images = sound_dicts();
    const std::vector<std::byte>& image = images[take() % images.size()];
    std::memcpy(bytes_.data(), image.data(), image.size());
    const std::size_t calls = take() % 12 + 1;
    std::uint8_t which[12][2] = {};
    for (std::size_t i = 0; i < calls; ++i) {
      which[i][0] = take();
      which[i][1] = take();
    }
    // Half of it at once, the rest in the middle of calls.
    for (std::size_t left = (end_ - at_) / kOverwriteBytes / 2; left-- > 0;) overwrite();
    Dict dict = world_.open();
    for (std::size_t i = 0; i < calls; ++i) call(dict, which[i][0], which[i][1]);
  }

 private:
  std::uint8_t take() { return at_ == end_ ? 0 : *at_++; }

  // What is worth pointing at.
  std::uint64_t place(std::uint8_t which) const {
    const memory::DictDescriptor& d = world_.descriptor();
    switch (which % 8) {
      case 0:
        return world_.geometry.file_bytes - 256;
      case 1:
        return world_.geometry.file_bytes - 1024;
      case 2:
        return world_.geometry.chunks;
      case 3:
        return d.first_page.load();
      case 4:
        return memory::DictRoot::of(d.first.root.load()).block;
      case 5:
        return world_.geometry.chunks + which / 8 * 1024;
      case 6:
        return world_.geometry.chunks + which / 8 * 256;
      default:
        return world_.geometry.chunk_table;
    }
  }

  // Where a region begins, from the start of the bytes, and how many words it has.
  std::pair<std::byte*, std::size_t> region(std::uint8_t which) const {
    const memory::DictDescriptor& d = world_.descriptor();
    const auto inside = [&](std::uint64_t offset, std::size_t words) {
      offset = std::min(offset, world_.geometry.file_bytes - 8) & ~std::uint64_t{7};
      return std::pair(world_.arena + offset,
                       std::min<std::size_t>(words, (world_.geometry.file_bytes - offset) / 8));
    };
    switch (which % 8) {
      case 0:
      case 1:
        return {reinterpret_cast<std::byte*>(world_.view.descriptor) + 64, 24};
      case 2:
        return inside(d.first_page.load(), 64);
      case 3:
      case 4:
        return inside(memory::DictRoot::of(d.first.root.load()).block, 512);
      case 5:
        return inside(world_.geometry.chunk_table, kHostileChunks);
      case 6:
        return inside(d.page_table.load(), 64);
      default:
        return {bytes_.data(), bytes_.size() / 8};
    }
  }

  void overwrite() {
    if (end_ - at_ < static_cast<std::ptrdiff_t>(kOverwriteBytes)) return;
    const auto [base, words] = region(at_[0]);
    std::uint16_t index = 0;
    std::memcpy(&index, at_ + 1, 2);
    std::byte* const to = base + index * std::size_t{at_[0] % 8U == 7 ? 31U : 1U} % words * 8;
    std::uint64_t value = 0;
    std::memcpy(&value, at_ + 4, 8);
    const std::uint64_t old = memory::load_word(to);
    switch (at_[3] % 8) {
      case 0:
        break;
      case 1:
        value = old ^ std::uint64_t{1} << value % 64;
        break;
      case 2:
        value = place(at_[4]);
        break;
      case 3:  // a root word
        value = std::uint64_t{at_[5]} << 32 | place(at_[4]) >> 10 << 6 | at_[6] % 64;
        break;
      case 4:  // two small numbers
        value = std::uint64_t{at_[4]} << 32 | at_[5];
        break;
      case 5:
        value = old + static_cast<std::int8_t>(at_[4]);
        break;
      case 6:
        value = (old & ~std::uint64_t{0xffffffff}) | at_[4];
        break;
      default:
        value = (old & 0xffffffff) | value << 32;
    }
    at_ += kOverwriteBytes;
    memory::store_word(to, value);
  }

  static void copy(const memory::StoredValue& value) {
    std::vector<std::byte> out(value.bytes + 8);
    memory::copy_out(out.data(), value.data, value.bytes);
  }

  void call(Dict& dict, std::uint8_t which, std::uint8_t what) {
    const std::string text = "k" + std::to_string(what % 130);
    const memory::DictKey key = dict.key(kTextKind, text);
    Call call{.caller = world_.survivor, .timeout_ns = 0};
    memory::DictSnapshot snapshot;
    memory::DictStat stat;
    const auto put = [&](std::size_t bytes, std::uint8_t kind) {
      const std::string value(bytes, static_cast<char>(what));
      (void)dict.put(call, key, {.data = value.data(), .bytes = bytes, .kind = kind});
    };
    switch (which % 16) {
      case 0:
        (void)dict.find(key, 0, [&](const memory::StoredValue& value) {
          copy(value);
          overwrite();
        });
        break;
      case 1:
        (void)dict.snapshot(&world_.survivor, 0, true, snapshot);
        break;
      case 2:
        (void)dict.snapshot(nullptr, 0, (what & 1) != 0, snapshot);
        break;
      case 3:
        (void)dict.verify(stat, [](const std::string&) {});
        break;
      case 4:
        (void)dict.size();
        (void)dict.changes();
        break;
      case 5:
        put(8, kNumberKind);
        break;
      case 6:
        put(what, kTextKind);
        break;
      case 7:
        put(2100 + what, kTextKind);
        break;
      case 8:
        (void)dict.erase(call, key);
        break;
      case 9: {
        std::string value;
        memory::DictValue put;
        (void)dict.change(call, key, [&](const memory::StoredValue* found) {
          if (found != nullptr) copy(*found);
          overwrite();
          value.assign(what * 16U, 'c');
          put = {.data = value.data(), .bytes = value.size(), .kind = kTextKind};
          return memory::DictDecision{.what = memory::DictDecision::What::kPut, .value = &put};
        });
        break;
      }
      case 10:
        (void)dict.pop_last(call, [&](std::uint8_t, const std::byte*, std::uint32_t,
                                      const memory::StoredValue& value) {
          copy(value);
          overwrite();
        });
        break;
      case 11:
        world_.recover(what % 2);
        break;
      case 12:
        dict.recover(world_.manager, memory::slot_in(world_.descriptor().first.lock.load()));
        break;
      case 13:
        for (const std::uint32_t part :
             {std::uint32_t{what}, memory::kPartHeaderPage + what, memory::kPartPageTable,
              memory::kPartValue + memory::shard_bits(key.hash)}) {
          (void)dict.reaches(part, place(what));
        }
        break;
      case 14: {
        std::uint64_t ids = 0;
        memory::ReferenceWalk walk;
        std::uint64_t left = world_.geometry.file_bytes;
        while (memory::walk_references(world_.view, world_.home(), walk, left, 1000,
                                       [&](std::uint64_t id) { ids += id; }) ==
               memory::Walked::kMore) {
        }
        break;
      }
      default:
        for (int i = 0; i < 40; ++i) {
          const std::string many = "m" + std::to_string(i);
          (void)put_in_at_once(dict, many, number_value(i));
        }
    }
    overwrite();
  }

  Result put_in_at_once(Dict& dict, const std::string& key, const std::string& value) {
    Call call{.caller = world_.survivor, .timeout_ns = 0};
    return dict.put(call, dict.key(kTextKind, key),
                    {.data = value.data() + 1, .bytes = value.size() - 1, .kind = kNumberKind});
  }

  GuardedBytes bytes_;
  DictWorld world_;
  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
};

}  // namespace shoal::test
