// Threads of control that run one at a time, on stacks of their own, and change over only where
// they say so. Knows nothing of who runs when. The sanitizers are told of every change.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace shoal::test {

class Fiber {
 public:
  // The one that runs already, on the stack of a thread.
  Fiber();
  // Runs `body` on the stack number `stack`, once it is switched to. The stacks are kept for ever,
  // and a fiber may be forgotten in the middle of its body; then nothing on its stack is destroyed.
  Fiber(std::size_t stack, std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  // Goes on with `to`; returns when somebody switches back to this one, which runs now.
  void switch_to(Fiber& to) { change_over(to, /*for_good=*/false); }
  // The same for who never comes back. A body must end so.
  [[noreturn]] void end_with(Fiber& to);

 private:
  static void enter();
  void change_over(Fiber& to, bool for_good);
  void arrived();

  std::function<void()> body_;
  ucontext_t context_{};
  jmp_buf jump_{};
  bool fresh_ = false;
  void* stack_ = nullptr;
  std::size_t stack_bytes_ = 0;
  // Of the sanitizers.
  void* fake_stack_ = nullptr;
  void* tsan_ = nullptr;
  bool owns_tsan_ = false;
};

}  // namespace shoal::test
