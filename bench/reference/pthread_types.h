// The C library's process-shared types, initialised in place. Knows nothing of shoal.
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include <new>

#include "reference/memory.h"
#include "reference/side.h"

namespace reference {

inline void check(const char* what, int error) {
  if (error != 0) give_up(what, "refused");
}

// A T in zeroed memory that children share, on a page of its own.
template <typename T>
class InSharedMemory {
 public:
  template <typename... Arguments>
  explicit InSharedMemory(Arguments... arguments)
      : mapping_(sizeof(T)), value_(new (mapping_.data()) T(arguments...)) {}

  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  SharedMapping mapping_;
  T* value_;
};

class PthreadMutex {
 public:
  PthreadMutex(int type, int robust) {
    pthread_mutexattr_t attributes;
    check("mutex", pthread_mutexattr_init(&attributes));
    check("mutex", pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    check("mutex", pthread_mutexattr_settype(&attributes, type));
    check("mutex", pthread_mutexattr_setrobust(&attributes, robust));
    check("mutex", pthread_mutex_init(&mutex_, &attributes));
    pthread_mutexattr_destroy(&attributes);
  }

  // 1: done.
  std::uint64_t lock() { return pthread_mutex_lock(&mutex_) == 0 ? 1 : 0; }
  std::uint64_t unlock() { return pthread_mutex_unlock(&mutex_) == 0 ? 1 : 0; }
  pthread_mutex_t* get() { return &mutex_; }

 private:
  pthread_mutex_t mutex_;
};

struct PlainMutex : PthreadMutex {
  PlainMutex() : PthreadMutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED) {}
};
struct RobustMutex : PthreadMutex {
  RobustMutex() : PthreadMutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST) {}
};
struct RecursiveMutex : PthreadMutex {
  RecursiveMutex() : PthreadMutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED) {}
};

class PosixSemaphore {
 public:
  explicit PosixSemaphore(unsigned permits) {
    check("semaphore", sem_init(&semaphore_, 1, permits));
  }

  std::uint64_t take() { return sem_wait(&semaphore_) == 0 ? 1 : 0; }
  std::uint64_t give() { return sem_post(&semaphore_) == 0 ? 1 : 0; }

 private:
  sem_t semaphore_;
};

class PthreadReadLock {
 public:
  PthreadReadLock() {
    pthread_rwlockattr_t attributes;
    check("read lock", pthread_rwlockattr_init(&attributes));
    check("read lock", pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    check("read lock", pthread_rwlock_init(&lock_, &attributes));
    pthread_rwlockattr_destroy(&attributes);
  }

  std::uint64_t lock() { return pthread_rwlock_rdlock(&lock_) == 0 ? 1 : 0; }
  std::uint64_t unlock() { return pthread_rwlock_unlock(&lock_) == 0 ? 1 : 0; }

 private:
  pthread_rwlock_t lock_;
};

class PthreadCondition {
 public:
  PthreadCondition() {
    pthread_condattr_t attributes;
    check("condition", pthread_condattr_init(&attributes));
    check("condition", pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    check("condition", pthread_cond_init(&condition_, &attributes));
    pthread_condattr_destroy(&attributes);
  }

  void notify() { check("notify", pthread_cond_signal(&condition_)); }
  void wait(PthreadMutex& mutex) { check("wait", pthread_cond_wait(&condition_, mutex.get())); }

 private:
  pthread_cond_t condition_;
};

}  // namespace reference
