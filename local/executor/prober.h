/// Asks servers for probes, off the kubelet's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "kubeclient/base/guarded.h"
#include "local/executor/kubelet.h"
#include "local/executor/probes.h"

namespace millrace::executor {

/// One thread `mr-probe`, started with the first question.
struct Kubelet::Prober {
  struct Question {
    std::uint64_t id = 0;
    Probe probe;
    int port = 0;
  };
  using Answer = std::function<void(std::uint64_t id, std::string message)>;

  explicit Prober(Answer answer);
  ~Prober();
  void put(Question question);

 private:
  void run(const std::stop_token& stop);
  Answer answer_;
  Guarded<std::deque<Question>> questions_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace millrace::executor
