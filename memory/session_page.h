// The session page: what a session shares with the manager, one memfd of one page, writable by the
// session and the manager only.
//
//   0        8        12   14   16        24                              4096
//   +--------+--------+----+----+---------+--- ... ------------------------+
//   | magic  | layout |slot| 0  | session |  reserved, zero                |
//   +--------+--------+----+----+---------+--- ... ------------------------+
//
// That a process has it mapped is itself the message: while any process of the session's family
// (forks inherit the mapping, exec and exit end it) maps the page, the session's objects may be in
// use, whatever became of its descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace shoal::memory {

inline constexpr std::uint64_t kSessionPageMagic = 0x316567617073'6873;  // "shspage1"
inline constexpr std::size_t kSessionPageBytes = 4096;

struct SessionPage {
  std::uint64_t magic;
  std::uint32_t layout;
  std::uint16_t slot;
  std::uint16_t reserved;
  std::uint64_t session;
};

static_assert(std::is_standard_layout_v<SessionPage>);
static_assert(sizeof(SessionPage) == 24);
static_assert(offsetof(SessionPage, layout) == 8);
static_assert(offsetof(SessionPage, slot) == 12);
static_assert(offsetof(SessionPage, session) == 16);

}  // namespace shoal::memory
