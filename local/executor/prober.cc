#include "local/executor/prober.h"

#include "kubeclient/runtime/env.h"

namespace millrace::executor {

Kubelet::Prober::Prober(Answer answer) : answer_(std::move(answer)) {}

Kubelet::Prober::~Prober() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Kubelet::Prober::put(Question question) {
  questions_.lock()->push_back(std::move(question));
  changed_.notify_one();
  if (thread_.joinable()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    runtime::name_this_thread("mr-probe");
    run(stop);
  });
}

void Kubelet::Prober::run(const std::stop_token& stop) {
  while (true) {
    Question question;
    {
      auto questions = questions_.lock();
      if (!changed_.wait(questions.lock(), stop, [&] { return !questions->empty(); })) return;
      question = std::move(questions->front());
      questions->pop_front();
    }
    answer_(question.id, ask(question.probe, question.port));
  }
}

}  // namespace millrace::executor
