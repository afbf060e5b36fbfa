/// What this machine can send over TLS at all: a bare loop, without a server in it.
///
/// It sends what the server would send, the same bytes to as many connections, which the same
/// `Watchers` read. Nothing is parsed, looked up or made; what is left is encryption, the kernel's
/// copies and the reader. A server on this machine cannot be faster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::bench {

struct BoundOptions {
  int connections = 100;
  int threads = 2;                   ///< that send, as many as the server has
  std::int64_t events = 0;           ///< over all connections
  std::size_t event_bytes = 0;       ///< of one event on the wire
  std::size_t piece_bytes = 65'536;  ///< handed to OpenSSL at a time
  std::string certificate;           ///< PEM
  std::string private_key;           ///< PEM
};

struct Bound {
  std::int64_t events = 0;
  double seconds = 0;
  double cpu_seconds = 0;         ///< of all threads
  double reader_cpu_seconds = 0;  ///< of it: the reader's
  std::string cipher;
};

/// Failures end the program, as those of `TlsClient` do.
Bound measure_bound(const BoundOptions& options);

}  // namespace millrace::bench
