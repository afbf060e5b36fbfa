/// The bare client: makes what an engine has to make for a run, and does nothing else.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bench/macro/board.h"
#include "bench/macro/follow.h"
#include "bench/macro/starter.h"
#include "kubeclient/codec/value.h"

namespace millrace::bench {

/// The writes of one run as a graph: each may begin when those it comes after are answered, or when
/// a pod has succeeded. The first one creates the run.
///
/// Read from a JSON list of writes:
///   {"id": "job0", "do": "create", "resource": "batch/v1/jobs/Job", "name": "$(NAME)-a",
///    "body": {...}, "after": ["run"]}
///   {"id": "pod0-ended", "do": "wait", "of": "pod0"}
///   {"id": "job0-status", "do": "status", "of": "job0", "status": {...}, "after": ["pod0-ended"]}
/// In bodies and statuses $(NAME) is the run's name, and $(uid:job0) what the API server gave the
/// object that the write job0 made. A status is written once, on the version that the write before
/// of the same object gave.
struct Script {
  enum class Kind { Create, Status, Wait };
  struct Write {
    Kind kind = Kind::Create;
    std::size_t object = 0;  ///< the write that creates it
    ResourceName resource;
    std::string name;  ///< of the object
    std::string body;
    std::size_t before = 0;           ///< how many writes come before it
    std::vector<std::size_t> next;    ///< which come after it
    std::vector<std::size_t> uid_of;  ///< creates whose $(uid:...) stands in the body
    std::vector<std::string> marks;   ///< and those texts
  };
  std::vector<Write> writes;

  /// Errors: Invalid.
  static Result<Script> parse(const std::string& text);
  bool waits_for_pods() const;
};

/// Plays the script for each run that is started. `start` returns when the run is created; what
/// follows is done by `threads` threads.
class BareClient final : public Starter {
 public:
  BareClient(client::Client& api, Script script, std::string ns, int threads, Board& board);
  ~BareClient() override;

  Result<void> start(const std::string& name) override;
  bool waits_for_pods() const { return script_.waits_for_pods(); }
  /// A pod was seen that has succeeded. Unknown ones are ignored.
  void pod_ended(const std::string& pod);
  /// Wait until every write of the runs started is answered. Errors: Timeout.
  Result<void> drain(SteadyTime deadline);
  /// How often a write was sent again, because it was not answered.
  int retries() const { return retries_; }

 private:
  struct Made {
    std::string uid;
    std::string version;
  };
  struct Run {
    std::string name;
    std::vector<std::size_t> before;  ///< writes that each one still waits for
    std::vector<Made> made;
    std::size_t left = 0;
  };
  struct Task {
    std::size_t run;
    std::size_t write;
  };
  struct State {
    std::vector<Run> runs;
    std::deque<Task> ready;
    std::unordered_map<std::string, Task> pods;  ///< waits by the pod's name
    std::size_t unfinished = 0;                  ///< runs
    bool stopping = false;
  };

  void work();
  Result<void> perform(const Task& task);
  Result<std::string> send(const Script::Write& write, const std::string& name,
                           const std::string& body, const std::string& version);
  std::string body_of(const Task& task, const Script::Write& write);
  /// Note that `task` is done, and make ready what waited for it alone.
  void finish(const Task& task);

  client::Client& api_;
  const Script script_;
  const std::string ns_;
  Board& board_;
  Guarded<State> state_;
  std::atomic<int> retries_{0};
  std::condition_variable_any ready_;
  std::condition_variable_any drained_;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::bench
