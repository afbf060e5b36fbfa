/// Wakes streams when time, not a write, gives them something to say.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"

namespace millrace::apiserver {

/// The callback of one stream. It may be called until `clear` returned.
class Waker {
 public:
  void set(std::function<void()> ready);
  void clear() { set(nullptr); }
  void wake() const;

 private:
  Guarded<std::function<void()>> ready_;
};

/// Wakers by when they are due. Safe from any thread.
class Timers {
 public:
  /// Wake `waker` once at `due` or later; replaces what was asked for it before.
  void set(const std::shared_ptr<Waker>& waker, SteadyTime due);
  void cancel(const Waker* waker);
  /// Wake all that are due; false when none was.
  bool fire(SteadyTime now);
  std::optional<SteadyTime> next() const;
  /// `changed` is called when something is due earlier than all before. Null: nobody listens.
  void on_change(std::function<void()> changed) { changed_.set(std::move(changed)); }

 private:
  struct State {
    std::multimap<SteadyTime, std::shared_ptr<Waker>> due;
    std::map<const Waker*, std::multimap<SteadyTime, std::shared_ptr<Waker>>::iterator> where;
  };
  Guarded<State> state_;
  Waker changed_;
};

}  // namespace millrace::apiserver
