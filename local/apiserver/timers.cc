#include "local/apiserver/timers.h"

#include <vector>

namespace millrace::apiserver {

void Waker::set(std::function<void()> ready) { *ready_.lock() = std::move(ready); }

void Waker::wake() const {
  // Under the lock on purpose: after `clear` nobody is inside the callback any more.
  auto ready = ready_.lock();
  if (*ready) (*ready)();
}

void Timers::set(const std::shared_ptr<Waker>& waker, SteadyTime due) {
  bool first = false;
  {
    auto state = state_.lock();
    if (const auto found = state->where.find(waker.get()); found != state->where.end()) {
      state->due.erase(found->second);
      state->where.erase(found);
    }
    const auto at = state->due.emplace(due, waker);
    state->where.emplace(waker.get(), at);
    first = at == state->due.begin();
  }
  if (first) changed_.wake();
}

void Timers::cancel(const Waker* waker) {
  auto state = state_.lock();
  const auto found = state->where.find(waker);
  if (found == state->where.end()) return;
  state->due.erase(found->second);
  state->where.erase(found);
}

bool Timers::fire(SteadyTime now) {
  std::vector<std::shared_ptr<Waker>> ready;
  {
    auto state = state_.lock();
    while (!state->due.empty() && state->due.begin()->first <= now) {
      state->where.erase(state->due.begin()->second.get());
      ready.push_back(std::move(state->due.begin()->second));
      state->due.erase(state->due.begin());
    }
  }
  for (const auto& waker : ready) waker->wake();
  return !ready.empty();
}

std::optional<SteadyTime> Timers::next() const {
  auto state = state_.lock();
  if (state->due.empty()) return std::nullopt;
  return state->due.begin()->first;
}

}  // namespace millrace::apiserver
