#include "kubeclient/http/outbound.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "kubeclient/base/guarded.h"
#include "kubeclient/http/outbound_call.h"
#include "kubeclient/http/outbound_lookups.h"

namespace millrace::http {
namespace {

constexpr long kIdleConnections = 512;

void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  MR_CHECK(code == CURLE_OK);
}

}  // namespace

// epoll and curl_multi_socket_action instead of Loop's curl_multi_perform: that visits each call on
// each wake-up, which is quadratic with thousands of calls.
struct Outbound::Impl {
  explicit Impl(const OutboundOptions& given)
      : options(given), lookups(given.max_lookups), multi(curl_multi_init()) {
    if (multi == nullptr) throw std::bad_alloc();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MR_CHECK(epoll >= 0 && wake >= 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = wake;
    MR_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) == 0);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kIdleConnections);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
    thread = std::thread([this] { run(); });
  }

  ~Impl() {
    stop();
    curl_multi_cleanup(multi);
    ::close(wake);
    ::close(epoll);
  }

  struct Start {
    std::uint64_t id;
    OutboundRequest request;
    OutboundDone done;
  };
  struct Inbox {
    std::vector<Start> starts;
    std::vector<std::uint64_t> cancels;
    bool stopping = false;
  };

  void ring() const {
    const std::uint64_t one = 1;
    // It cannot fail but by being full, and then the thread wakes anyway.
    [[maybe_unused]] const ssize_t written = ::write(wake, &one, sizeof one);
  }

  void stop() {
    inbox.lock()->stopping = true;
    ring();
    if (thread.joinable()) thread.join();
  }

  // ---- I/O thread from here on

  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void* known) noexcept {
    auto& self = *static_cast<Impl*>(user);
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(self.epoll, EPOLL_CTL_DEL, socket, &event);
      return 0;
    }
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    const bool fresh = known == nullptr;
    if (fresh) curl_multi_assign(self.multi, socket, &self);
    if (epoll_ctl(self.epoll, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) != 0) {
      epoll_ctl(self.epoll, fresh ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    }
    return 0;
  }

  static int on_timer(CURLM*, long milliseconds, void* user) noexcept {
    static_cast<Impl*>(user)->curl_due =
        milliseconds < 0
            ? SteadyTime::max()
            : std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    return 0;
  }

  void run() {
    pthread_setname_np(pthread_self(), options.thread_name.substr(0, 15).c_str());
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);  // OpenSSL writes without MSG_NOSIGNAL
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (read_inbox()) {
      collect();
      expire();
      wait();
      collect();
    }
    while (!calls.empty()) {
      OutboundCall& call = *calls.begin()->second;
      finish(call, fail(call.cancelled()));
    }
  }

  bool read_inbox() {
    Inbox box;
    {
      const auto locked = inbox.lock();
      if (locked->stopping) return false;
      std::swap(box.starts, locked->starts);
      std::swap(box.cancels, locked->cancels);
    }
    for (Start& start : box.starts) begin(std::move(start));
    for (const std::uint64_t id : box.cancels) {
      const auto at = calls.find(id);
      if (at != calls.end()) finish(*at->second, fail(at->second->cancelled()));
    }
    return true;
  }

  void begin(Start start) {
    auto made = std::make_unique<OutboundCall>(start.id, std::move(start.request),
                                               std::move(start.done), options, found);
    OutboundCall& call = *made;
    calls.emplace(call.id, std::move(made));
    if (call.due != SteadyTime::max()) deadlines.emplace(call.due, call.id);
    auto checked = call.check();
    if (!checked.ok()) return finish(call, fail(std::move(checked).error()));
    next_request(call);
  }

  /// Send the first request of a call, or the next one after a redirect, when its turn has come.
  void next_request(OutboundCall& call) {
    auto prepared = call.prepare();
    if (!prepared.ok()) return finish(call, fail(std::move(prepared).error()));
    const std::string& key = call.lookup_key();
    if (key.empty() || lookups.enter(key, call.id, std::chrono::steady_clock::now())) add(call);
  }

  void add(OutboundCall& call) {
    MR_CHECK(curl_multi_add_handle(multi, call.easy) == CURLM_OK);
    call.running = true;
  }

  void go(const OutboundLookups::Ids& ids) {
    for (const std::uint64_t id : ids) {
      const auto at = calls.find(id);
      if (at != calls.end() && !at->second->running) add(*at->second);
    }
  }

  /// Take what libcurl has to tell. Not from inside its callbacks.
  void collect() {
    note_found();
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      OutboundCall* call = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
      remove(*call);
      if (code == CURLE_COULDNT_RESOLVE_HOST) {
        settle_failed(call->lookup_key(), call->id);
      } else if (!call->lookup_key().empty()) {
        go(lookups.left(call->lookup_key(), call->id));
      }
      auto outcome = call->ended(code);
      if (outcome) {
        finish(*call, *std::move(outcome));
      } else {
        next_request(*call);
      }
      note_found();
    }
  }

  void note_found() {
    if (found.empty()) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    for (const std::uint64_t id : std::exchange(found, {})) {
      const auto at = calls.find(id);
      if (at == calls.end() || at->second->lookup_key().empty()) continue;
      go(lookups.known(at->second->lookup_key(), id, now));
    }
  }

  /// Those who waited for the same name fail with the one that asked.
  void settle_failed(const std::string& key, std::uint64_t id) {
    const auto [failed, next] = lookups.failed(key, id);
    for (const std::uint64_t other : failed) {
      const auto at = calls.find(other);
      if (at != calls.end()) finish(*at->second, fail(at->second->unresolved()));
    }
    go(next);
  }

  void expire() {
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!deadlines.empty() && deadlines.begin()->first <= now) {
      OutboundCall& call = *calls.at(deadlines.begin()->second);
      finish(call, fail(call.overdue()));
    }
  }

  void wait() {
    using std::chrono::milliseconds;
    constexpr milliseconds kLongest = std::chrono::hours(1);
    SteadyTime due = curl_due;
    if (!deadlines.empty()) due = std::min(due, deadlines.begin()->first);
    milliseconds length = kLongest;
    if (due != SteadyTime::max()) {
      const auto left = std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now());
      length = std::clamp(left, milliseconds(0), kLongest);
    }
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(length.count()));
    int running = 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == wake) {
        std::uint64_t rings = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake, &rings, sizeof rings);
        continue;
      }
      int what = 0;
      if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
      curl_multi_socket_action(multi, event.data.fd, what, &running);
    }
    if (curl_due <= std::chrono::steady_clock::now()) {
      curl_due = SteadyTime::max();  // libcurl sets it anew
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
  }

  void remove(OutboundCall& call) {
    if (!call.running) return;
    curl_multi_remove_handle(multi, call.easy);
    call.running = false;
  }

  void finish(OutboundCall& call, Result<OutboundAnswer> outcome) {
    remove(call);
    if (call.due != SteadyTime::max()) deadlines.erase({call.due, call.id});
    const auto node = calls.extract(call.id);
    if (!call.lookup_key().empty()) go(lookups.left(call.lookup_key(), call.id));
    call.finish(std::move(outcome));
  }

  const OutboundOptions options;
  std::atomic<std::uint64_t> next_id{1};
  Guarded<Inbox> inbox;
  OutboundLookups lookups;
  std::vector<std::uint64_t> found;  ///< calls that have come to an address
  std::unordered_map<std::uint64_t, std::unique_ptr<OutboundCall>> calls;
  std::set<std::pair<SteadyTime, std::uint64_t>> deadlines;
  SteadyTime curl_due = SteadyTime::max();
  CURLM* multi;
  int epoll = -1;
  int wake = -1;
  std::thread thread;
};

Outbound::Outbound(const OutboundOptions& options) {
  init_curl_once();
  impl_ = std::make_unique<Impl>(options);
}

Outbound::~Outbound() = default;

std::uint64_t Outbound::start(OutboundRequest request, OutboundDone done) {
  const std::uint64_t id = impl_->next_id++;
  {
    const auto box = impl_->inbox.lock();
    if (box->stopping) return id;
    box->starts.push_back({id, std::move(request), std::move(done)});
    if (box->starts.size() > 1) return id;  // a wake-up is under way
  }
  impl_->ring();
  return id;
}

void Outbound::cancel(std::uint64_t handle) {
  impl_->inbox.lock()->cancels.push_back(handle);
  impl_->ring();
}

void Outbound::stop() { impl_->stop(); }

}  // namespace millrace::http
