/// A small HTTP/1.1 server inside the test process that plays whatever a test scripts: right
/// answers, wrong ones, half ones, none. Plain or TLS.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"

namespace millrace::support {

/// One request as the server read it.
struct Received {
  std::string method;
  std::string target;  ///< path and query as sent
  std::string body;
  std::map<std::string, std::string> headers;  ///< names in lower case
  int connection = 0;                          ///< 1 for the first connection accepted, and so on

  /// The header's value, or "".
  std::string header(const std::string& name) const;
};

/// The server's end of one connection, in the hands of a script.
class Peer {
 public:
  virtual ~Peer() = default;
  /// Send bytes as they are. False: the client is gone.
  virtual bool send(std::string_view bytes) = 0;
  /// Gather what is sent from now on; with false: send it, in one piece if it is below 64 KiB.
  virtual void gather(bool on) = 0;
  /// Close the connection when the script returns.
  virtual void close() = 0;
  /// Block until the client closes or the server stops.
  virtual void wait_for_client_to_leave() = 0;
  /// Carry bytes both ways to a port of this machine until either side ends (for CONNECT).
  virtual void tunnel(int port) = 0;

  /// A complete answer with Content-Length; `headers` are lines without their ends.
  bool reply(int status, std::string_view body, const std::vector<std::string>& headers = {});
  bool begin_chunked(int status, const std::vector<std::string>& headers = {});
  bool chunk(std::string_view bytes);
  bool end_chunked();
};

/// Answers one request. Runs on the connection's thread.
using Script = std::function<void(const Received&, Peer&)>;

/// TLS of the server as PEM; a non-empty `client_ca` demands client certificates of it.
struct ServerTls {
  std::string certificate;
  std::string key;
  std::string client_ca = {};
};

/// Listens on a free port of 127.0.0.1 until destroyed. Safe from any thread.
class ScriptedServer {
 public:
  explicit ScriptedServer(Script script, std::optional<ServerTls> tls = std::nullopt);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  int port() const { return port_; }
  /// "http://127.0.0.1:port" or "https://…".
  std::string url() const;
  /// All requests so far, in the order they were read.
  std::vector<Received> received() const;
  /// Block until `count` requests have been read; false after 10 s.
  bool wait_for_requests(std::size_t count) const;

 private:
  struct State {
    std::vector<Received> received;
    std::vector<std::thread> threads;
    std::vector<int> sockets;
    int connections = 0;
    bool stopping = false;
  };
  class Connection;

  void accept_loop();
  void serve(int socket, int number);

  Script script_;
  std::shared_ptr<void> tls_context_;  ///< SSL_CTX*
  int listener_ = -1;
  int port_ = 0;
  mutable std::condition_variable arrived_;
  Guarded<State> state_;
  std::thread acceptor_;
};

/// A one-way switch between test and script threads.
class Gate {
 public:
  void open();
  /// False when it did not open within 10 s.
  bool wait() const;

 private:
  Guarded<bool> open_{false};
  mutable std::condition_variable wake_;
};

}  // namespace millrace::support
