// See fiber.h.
#include "tests/schedule/fiber.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define SHOAL_FIBERS_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define SHOAL_FIBERS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHOAL_FIBERS_ASAN 1
#elif __has_feature(thread_sanitizer)
#define SHOAL_FIBERS_TSAN 1
#endif
#endif

#ifdef SHOAL_FIBERS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SHOAL_FIBERS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace shoal::test {
namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;

// Who comes from where: set by whoever changes over, read by who is gone on with.
Fiber* g_entering = nullptr;
Fiber* g_left = nullptr;

void* stack_number(std::size_t number) {
  static std::vector<void*> stacks;
  while (stacks.size() <= number) {
    void* const memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    // What overflows a stack ends the program instead of writing over another stack.
    if (::mprotect(memory, 4096, PROT_NONE) != 0) std::abort();
    stacks.push_back(memory);
  }
  return stacks[number];
}

}  // namespace

Fiber::Fiber() {
#ifdef SHOAL_FIBERS_TSAN
  tsan_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(std::size_t stack, std::function<void()> body)
    : body_(std::move(body)),
      fresh_(true),
      stack_(static_cast<std::byte*>(stack_number(stack)) + 4096),
      stack_bytes_(kStackBytes - 4096) {
#ifdef SHOAL_FIBERS_ASAN
  __asan_unpoison_memory_region(stack_, stack_bytes_);
#endif
#ifdef SHOAL_FIBERS_TSAN
  tsan_ = __tsan_create_fiber(0);
  owns_tsan_ = true;
#endif
  ::getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  ::makecontext(&context_, &Fiber::enter, 0);
}

Fiber::~Fiber() {
#ifdef SHOAL_FIBERS_TSAN
  if (owns_tsan_) __tsan_destroy_fiber(tsan_);
#endif
}

void Fiber::enter() {
  Fiber* const self = g_entering;
  self->arrived();
  self->body_();
  std::fputs("a fiber's body returned instead of ending with another\n", stderr);
  std::abort();
}

void Fiber::arrived() {
#ifdef SHOAL_FIBERS_ASAN
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
  if (g_left->stack_ == nullptr) {
    g_left->stack_ = const_cast<void*>(bottom);
    g_left->stack_bytes_ = bytes;
  }
#endif
}

#if defined(SHOAL_FIBERS_ASAN) || defined(SHOAL_FIBERS_TSAN)

void Fiber::change_over(Fiber& to, [[maybe_unused]] bool for_good) {
  g_entering = &to;
  g_left = this;
#ifdef SHOAL_FIBERS_ASAN
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_, to.stack_, to.stack_bytes_);
#endif
#ifdef SHOAL_FIBERS_TSAN
  __tsan_switch_to_fiber(to.tsan_, 0);
#endif
  ::swapcontext(&context_, &to.context_);
  arrived();
}

#else

// Without the system call that a change of context makes, to leave the signal mask as it is.
__attribute__((noinline)) void Fiber::change_over(Fiber& to, bool for_good) {
  g_entering = &to;
  g_left = this;
  if (!for_good) {
    if (::_setjmp(jump_) != 0) return;
  }
  if (!to.fresh_) ::_longjmp(to.jump_, 1);
  to.fresh_ = false;
  ::setcontext(&to.context_);
}

#endif

void Fiber::end_with(Fiber& to) {
  change_over(to, /*for_good=*/true);
  std::abort();
}

}  // namespace shoal::test
