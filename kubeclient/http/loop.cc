#include "kubeclient/http/loop.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <unordered_map>
#include <utility>

#include "kubeclient/base/guarded.h"
#include "kubeclient/http/easy.h"
#include "kubeclient/http/failure.h"
#include "kubeclient/http/transfer.h"

namespace millrace::http {
namespace {

/// libcurl wants this once in a process, before its other functions.
void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  MR_CHECK(code == CURLE_OK);
}

/// What would let a header value start a second header, or end the request.
Result<void> check(const Request& request) {
  for (const std::string& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(Code::Invalid, "header \"" + header.substr(0, header.find(':')) +
                                     "\" holds a line end or a zero byte");
    }
  }
  for (const char c : request.url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return fail(Code::Invalid, "the URL holds a blank or a control character");
    }
  }
  return {};
}

}  // namespace

struct Loop::Impl final : Mailbox {
  explicit Impl(const LoopOptions& loop_options)
      : options(loop_options), pool(loop_options), multi(curl_multi_init()) {
    if (multi == nullptr) throw std::bad_alloc();
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
    thread = std::thread([this] { run(); });
  }

  ~Impl() override {
    inbox.lock()->stopping = true;
    curl_multi_wakeup(multi);
    thread.join();
    curl_multi_cleanup(multi);
  }

  struct Inbox {
    std::vector<Command> commands;
    std::optional<std::pair<std::string, std::string>> certificate;
    bool stopping = false;
  };

  /// Post and, unless a wake-up is under way already, wake the I/O thread.
  void post(Command command) override {
    bool wake = false;
    {
      const auto box = inbox.lock();
      wake = box->commands.empty();
      box->commands.push_back(command);
    }
    if (wake) curl_multi_wakeup(multi);
  }

  // ---- I/O thread from here on

  void run() {
    pthread_setname_np(pthread_self(), options.thread_name.substr(0, 15).c_str());
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);  // OpenSSL writes without MSG_NOSIGNAL
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (handle_commands()) {
      perform();
      collect_finished();
      expire();
      curl_multi_poll(multi, nullptr, 0, poll_timeout(), nullptr);
    }
    while (!active.empty()) {
      Transfer& transfer = *active.begin()->second.transfer;
      finish(transfer, cancelled(transfer));
    }
  }

  /// Let libcurl do what can be done now. Once more after a pass in which a transfer began: such a
  /// pass moves libcurl's idea of now forward, and then drops the wake-ups of other transfers whose
  /// data came meanwhile (seen with 7.88: a stream of a shared connection waited for 10 s).
  void perform() {
    bool again = true;
    while (again) {
      const std::uint64_t before = pool.sendings();
      int running = 0;
      curl_multi_perform(multi, &running);
      again = started || pool.sendings() != before;
      started = false;
    }
  }

  /// False when the loop shall stop.
  bool handle_commands() {
    Inbox got;
    {
      const auto box = inbox.lock();
      std::swap(box->commands, commands);
      std::swap(box->certificate, got.certificate);
      got.stopping = box->stopping;
    }
    if (got.certificate) {
      pool.set_client_certificate(std::move(got.certificate->first),
                                  std::move(got.certificate->second));
    }
    for (const Command& command : commands) {
      if (command.kind == Command::Kind::Start) {
        start(*command.transfer);
        continue;
      }
      const auto found = active.find(command.id);
      if (found == active.end()) continue;  // finished before this was read
      Transfer& transfer = *found->second.transfer;
      if (command.kind == Command::Kind::Cancel) {
        finish(transfer, cancelled(transfer));
      } else {
        resume(transfer);
      }
    }
    commands.clear();
    return !got.stopping;
  }

  void start(Transfer& transfer) {
    // On a quick connection it would be over before anybody looks at deadlines.
    if (transfer.due() <= std::chrono::steady_clock::now()) {
      transfer.on_done(transfer.overdue());
      return;
    }
    std::unique_ptr<Slot> slot = pool.take(transfer);
    const CURLMcode code = curl_multi_add_handle(multi, slot->easy);
    MR_CHECK(code == CURLM_OK);
    next_due = std::min(next_due, transfer.look_again(std::chrono::steady_clock::now()));
    active.emplace(transfer.id, Active{&transfer, std::move(slot)});
    started = true;
  }

  void resume(Transfer& transfer) {
    const SteadyTime now = std::chrono::steady_clock::now();
    transfer.on_resume(now);
    next_due = std::min(next_due, transfer.look_again(now));
    // May call back at once with what waited inside libcurl; an error shows up as a finish.
    curl_easy_pause(transfer.slot->easy, CURLPAUSE_CONT);
  }

  void collect_finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Slot* slot = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
      Transfer& transfer = *slot->transfer;
      if (code == CURLE_OK && transfer.head_done) {
        finish(transfer, std::nullopt);
      } else if (code == CURLE_OK) {  // libcurl takes half a head for a whole one
        finish(transfer, describe_failure(CURLE_GOT_NOTHING, transfer.target(), ""));
      } else if (transfer.failure) {
        finish(transfer, std::move(transfer.failure));
      } else {
        finish(transfer, describe_failure(code, transfer.target(), slot->detail()));
      }
    }
  }

  /// Give up what is overdue. Scans all only when something may be.
  void expire() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now < next_due) return;
    next_due = SteadyTime::max();
    overdue.clear();
    for (const auto& [id, entry] : active) {
      if (entry.transfer->due() <= now) {
        overdue.push_back(entry.transfer);
      } else {
        next_due = std::min(next_due, entry.transfer->look_again(now));
      }
    }
    for (Transfer* transfer : overdue) finish(*transfer, transfer->overdue());
  }

  int poll_timeout() const {
    using std::chrono::milliseconds;
    constexpr milliseconds kLongest = std::chrono::hours(1);
    if (next_due == SteadyTime::max()) return static_cast<int>(kLongest.count());
    const auto wait = std::chrono::ceil<milliseconds>(next_due - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp(wait, milliseconds(0), kLongest).count());
  }

  void finish(Transfer& transfer, std::optional<Error> error) {
    auto entry = active.extract(transfer.id);
    std::unique_ptr<Slot> slot = std::move(entry.mapped().slot);
    long connections = 0;
    curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &connections);
    transfer.connections = static_cast<int>(connections);
    curl_multi_remove_handle(multi, slot->easy);
    pool.give_back(std::move(slot));
    transfer.on_done(std::move(error));  // last: it may be gone now
  }

  static Error cancelled(const Transfer& transfer) {
    return error_of(Code::Cancelled, transfer.target() + ": cancelled");
  }

  struct Active {
    Transfer* transfer;
    std::unique_ptr<Slot> slot;
  };

  const LoopOptions options;
  std::atomic<std::uint64_t> next_id{1};
  Guarded<Inbox> inbox;
  SlotPool pool;
  std::vector<Command> commands;
  std::vector<Transfer*> overdue;
  std::unordered_map<std::uint64_t, Active> active;
  SteadyTime next_due = SteadyTime::max();
  bool started = false;  ///< a transfer, since the last pass
  CURLM* multi;
  std::thread thread;
};

Loop::Loop(const LoopOptions& options) {
  init_curl_once();
  impl_ = std::make_unique<Impl>(options);
}

Loop::~Loop() = default;

Result<Response> Loop::call(Request request, std::stop_token stop, SteadyTime deadline) {
  MR_TRY(check(request));
  CallTransfer transfer(impl_->next_id++, std::move(request), deadline, impl_->options.max_body);
  impl_->post({Command::Kind::Start, transfer.id, &transfer});
  // After the start, or a stop requested before it would be lost.
  const std::stop_callback on_stop(std::move(stop), [this, id = transfer.id] {
    impl_->post({Command::Kind::Cancel, id, nullptr});
  });
  return transfer.wait();
}

Result<std::unique_ptr<Stream>> Loop::open(Request request, const StreamLimits& limits,
                                           std::stop_token stop, SteadyTime deadline) {
  MR_TRY(check(request));
  auto stream = std::make_unique<StreamTransfer>(impl_->next_id++, std::move(request), limits,
                                                 deadline, impl_->options.stream_buffer, *impl_);
  stream->start(std::move(stop));
  MR_TRY(stream->wait_head());
  return std::unique_ptr<Stream>(std::move(stream));
}

void Loop::set_client_certificate(std::string certificate, std::string key) {
  impl_->inbox.lock()->certificate.emplace(std::move(certificate), std::move(key));
  curl_multi_wakeup(impl_->multi);
}

}  // namespace millrace::http
