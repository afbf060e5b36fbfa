/// Data reachable only through its lock.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace millrace {

/// Hold a value behind a mutex. Locks are leaves: under one, call nothing of ours that locks.
template <class T>
class Guarded {
 public:
  /// The locked value; give it back by leaving the scope.
  class Handle {
   public:
    T* operator->() const { return value_; }
    T& operator*() const { return *value_; }
    /// For waiting on a std::condition_variable.
    std::unique_lock<std::mutex>& lock() { return lock_; }

   private:
    friend class Guarded;
    Handle(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  Handle lock() const { return Handle(mutex_, value_); }

 private:
  mutable std::mutex mutex_;
  mutable T value_;
};

}  // namespace millrace
