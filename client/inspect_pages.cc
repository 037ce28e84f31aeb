// See inspect_pages.h.
#include "client/inspect_pages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <span>

#include "memory/session_page.h"
#include "schemas/protocol.h"

namespace shoal::internal {

using memory::SessionPage;
using memory::ThreadRecord;

namespace {

using Head = std::array<std::byte, offsetof(SessionPage, records)>;

template <typename T>
T get(const Head& head, std::size_t offset) {
  T value{};
  std::memcpy(&value, head.data() + offset, sizeof value);
  return value;
}

std::vector<ThreadRecord> read_records(const SharedFile& page, std::uint32_t threads) {
  const std::uint32_t used = std::min(threads, memory::kThreadsMax + 1);
  std::vector<ThreadRecord> records(used == 0 ? 0 : used - 1);
  if (!page.read(offsetof(SessionPage, records), std::as_writable_bytes(std::span(records)))) {
    records.clear();
  }
  return records;
}

// Forked children map the page too: it is that of the process whose threads are noted in it; of
// one without threads, the one that the manager named; and where that one had no name in the
// manager's PID namespace, the one that the others come from.
std::optional<Process> owner_of(const std::vector<Process>& mappers,
                                const std::vector<ThreadRecord>& records, pid_t pid) {
  const auto has = [](const Process& process, pid_t tid) {
    return std::ranges::find(process.tasks, tid, &Task::inner) != process.tasks.end();
  };
  const Process* best = nullptr;
  std::ptrdiff_t most = 0;
  for (const Process& process : mappers) {
    const auto threads = std::ranges::count_if(records, [&](const ThreadRecord& record) {
      const auto tid = static_cast<pid_t>(record.tid.load());
      return tid > 0 && has(process, tid);
    });
    if (threads > most) {
      best = &process;
      most = threads;
    }
  }
  for (const Process& process : mappers) {
    if (best != nullptr) break;
    const bool named = std::ranges::find(process.pids, pid) != process.pids.end();
    const bool eldest = std::ranges::find(mappers, process.parent, &Process::pid) == mappers.end();
    if (named || (pid == 0 && eldest)) best = &process;
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

ThreadSeen thread_of(const SessionSeen& session, const std::optional<Process>& owner,
                     std::uint32_t number, std::uint32_t tid) {
  ThreadSeen thread{.manager = session.manager,
                    .session = session.session,
                    .slot = session.slot,
                    .thread = number,
                    .pid = session.pid,
                    .tid = 0,
                    .label = session.label,
                    .stopped = session.stopped};
  if (!owner.has_value()) return thread;
  const auto task = std::ranges::find(owner->tasks, static_cast<pid_t>(tid), &Task::inner);
  if (task == owner->tasks.end()) return thread;
  thread.tid = task->tid;
  thread.stopped = task->stopped;
  return thread;
}

void add_counters(ThreadCounters& sum, const ThreadRecord& record) {
  sum.operations += record.operations.load();
  sum.waits += record.waits.load();
  sum.waited += absl::Nanoseconds(
      static_cast<std::int64_t>(std::min<std::uint64_t>(record.waited_ns.load(), INT64_MAX)));
  sum.wakes += record.wakes.load();
  sum.bytes += record.bytes.load();
}

WaitPurpose purpose_of(std::uint32_t purpose) {
  return purpose <= static_cast<std::uint32_t>(WaitPurpose::kStore)
             ? static_cast<WaitPurpose>(purpose)
             : WaitPurpose::kUnknown;
}

}  // namespace

MonotonicClock::MonotonicClock() : now_(absl::Now()) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  now_ns_ = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

absl::Time MonotonicClock::time_of(std::int64_t ns) const {
  if (ns <= 0 || ns > now_ns_) return absl::InfinitePast();
  // To the millisecond, so that two looks say the same.
  return absl::FromUnixMillis(absl::ToUnixMillis(now_ - absl::Nanoseconds(now_ns_ - ns)));
}

std::optional<PageSeen> read_page(const SharedFile& page, const ProcFiles& proc,
                                  const MonotonicClock& clock) {
  Head head;
  if (!page.read(0, head)) return std::nullopt;
  const auto magic = get<std::uint64_t>(head, offsetof(SessionPage, magic));
  const auto layout = get<std::uint32_t>(head, offsetof(SessionPage, layout));
  if (magic != memory::kSessionPageMagic || layout != protocol::kLayoutVersion) return std::nullopt;

  PageSeen seen;
  SessionSeen& session = seen.session;
  session.slot = get<std::uint16_t>(head, offsetof(SessionPage, slot));
  session.session = get<std::uint64_t>(head, offsetof(SessionPage, session));
  session.arena = get<std::uint64_t>(head, offsetof(SessionPage, arena));
  session.manager = get<std::uint64_t>(head, offsetof(SessionPage, manager));
  const auto records = read_records(page, get<std::uint32_t>(head, offsetof(SessionPage, threads)));

  std::vector<Process> mappers;
  for (const pid_t pid : page.mappers()) {
    if (auto process = proc.process(pid)) mappers.push_back(*std::move(process));
  }
  const auto pid = static_cast<pid_t>(get<std::uint32_t>(head, offsetof(SessionPage, pid)));
  const auto owner = owner_of(mappers, records, pid);
  if (owner.has_value()) {
    session.pid = owner->pid;
    session.label = owner->name;
    session.stopped = owner->stopped;
  }
  for (std::uint32_t number = 1; number <= records.size(); ++number) {
    const ThreadRecord& record = records[number - 1];
    add_counters(session.counters, record);
    const std::uint32_t tid = record.tid.load();
    if (tid == 0) continue;
    session.threads.push_back(thread_of(session, owner, number, tid));
    const std::uint64_t object = record.waiting.load();
    // Of a process that is gone nobody waits.
    if (object == 0 || !owner.has_value()) continue;
    ++session.waiting;
    const auto since_ns = static_cast<std::int64_t>(record.since_ns.load());
    seen.waits.push_back({.thread = session.threads.back(),
                          .object = object,
                          .purpose = purpose_of(record.purpose.load()),
                          .since = clock.time_of(since_ns),
                          .since_ns = since_ns});
  }
  return seen;
}

}  // namespace shoal::internal
