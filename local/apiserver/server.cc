#include "local/apiserver/server.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "kubeclient/base/log.h"
#include "local/apiserver/server_text.h"
#include "local/apiserver/server_worker.h"

namespace millrace::apiserver {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

/// Pause before accepting again when the machine has no descriptors left [ms].
constexpr std::chrono::milliseconds kAcceptPause{100};

class ServerImpl final : public Server {
 public:
  ServerImpl(Handler handler, const ServerOptions& options, const Clock& clock, const Logger& log)
      : shared_{.handler = std::move(handler),
                .options = options,
                .clock = clock,
                .log = log,
                .tls = nullptr} {
    for (int i = 0; i < std::max(options.threads, 1); ++i) {
      workers_.push_back(std::make_unique<ServerWorker>(shared_));
    }
    acceptor_.emplace(workers_.front()->io());
    retry_.emplace(workers_.front()->io());
  }
  ~ServerImpl() override { stop(); }

  Result<> listen() {
    MR_ASSIGN(shared_.tls,
              make_tls_context(shared_.options.certificate, shared_.options.private_key));
    MR_ASSIGN(Endpoint endpoint, parse_endpoint(shared_.options.address));
    MR_TRY(open_acceptor(endpoint));
    ErrorCode error;
    const tcp::endpoint bound = acceptor_->local_endpoint(error);
    if (error) return fail(Code::Unavailable, "reading the bound port: " + error.message());
    endpoint.port = bound.port();
    address_ = to_string(endpoint);
    if (!bound.address().is_loopback()) {
      shared_.log.warn(
          "listening beyond this machine: whoever has the token can run programs here as you",
          {kv("address", address_)});
    }
    accept();
    int number = 0;
    for (auto& worker : workers_) worker->start(number++);
    return {};
  }

  std::string address() const override { return address_; }

  void stop() override {
    const std::lock_guard lock(stop_mutex_);
    if (stopped_) return;
    stopped_ = true;
    asio::post(workers_.front()->io(), [this] {
      ErrorCode ignored;
      acceptor_->close(ignored);
      retry_->cancel();
    });
    for (auto& worker : workers_) worker->post_stop();
    for (auto& worker : workers_) worker->join();
  }

 private:
  Result<> open_acceptor(const Endpoint& wanted) {
    ErrorCode error;
    auto address = asio::ip::make_address(wanted.host, error);
    if (error) {
      tcp::resolver resolver(workers_.front()->io());
      const auto found = resolver.resolve(wanted.host, std::to_string(wanted.port), error);
      if (error || found.empty()) {
        return fail(Code::Invalid, "listen address \"" + shared_.options.address +
                                       "\": no such host; give an IP address such as 127.0.0.1");
      }
      address = found.begin()->endpoint().address();
    }
    const tcp::endpoint endpoint(address, wanted.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    const std::string port = std::to_string(wanted.port);
    const std::string cure =
        error == asio::error::address_in_use
            ? "; end what uses port " + port + ", or listen on port 0, which takes a free one"
        : error == asio::error::access_denied ? "; ports below 1024 need root, take a higher one"
                                              : "; give an address of this machine";
    return fail(Code::Unavailable,
                "cannot listen on \"" + shared_.options.address + "\": " + error.message() + cure);
  }

  /// Connections go to the workers in turn.
  void accept() {
    ServerWorker& worker = *workers_[next_++ % workers_.size()];
    acceptor_->async_accept(
        worker.io(), [this, &worker](const ErrorCode& error, tcp::socket socket) {
          if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
          if (!error) {
            asio::post(worker.io(), [&worker, moved = std::move(socket)]() mutable {
              worker.add(std::move(moved));
            });
            return accept();
          }
          // Out of descriptors or memory: the loop would spin, so let connections go first.
          shared_.log.warn("cannot accept a connection", {kv("error", error.message())});
          retry_->expires_after(kAcceptPause);
          retry_->async_wait([this](const ErrorCode& aborted) {
            if (!aborted) accept();
          });
        });
  }

  ServerShared shared_;
  std::vector<std::unique_ptr<ServerWorker>> workers_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> retry_;  ///< the pause before accepting again
  std::size_t next_ = 0;
  std::string address_;
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Handler handler, const ServerOptions& options,
                                              const Clock& clock, const Logger& log) {
  try {
    auto server = std::make_unique<ServerImpl>(std::move(handler), options, clock, log);
    MR_TRY(server->listen());
    return std::unique_ptr<Server>(std::move(server));
  } catch (const std::system_error& e) {  // no descriptors for the loop, no thread
    return fail(Code::Unavailable, std::string("starting the API server: ") + e.what());
  }
}

}  // namespace millrace::apiserver
