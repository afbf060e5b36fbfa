/// A server's certificate and key from files that may be replaced while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/result.h"

struct ssl_ctx_st;

namespace millrace::gateway {

/// Holds the settings of TLS for new connections. Not thread-safe.
class TlsFiles {
 public:
  /// Read both files, PEM; the certificate may be followed by its chain. Errors: Invalid, naming
  /// the file.
  static Result<std::unique_ptr<TlsFiles>> open(const std::string& certificate_file,
                                                const std::string& key_file,
                                                Duration reload_interval);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  /// For the next connection; the caller gets a reference of its own. When `reload_interval` has
  /// passed since the last look and the files have changed, they are read again. Files that cannot
  /// be used are logged once, and what was read before stays in use: while the two are being
  /// replaced they may not belong together.
  ssl_ctx_st* take(SteadyTime now, const Logger& log);

 private:
  TlsFiles(std::string certificate_file, std::string key_file, Duration reload_interval);
  Result<> read();
  /// What the files look like from outside; changes when they are replaced or written.
  std::string stamp() const;

  const std::string certificate_file_;
  const std::string key_file_;
  const Duration reload_interval_;
  SteadyTime next_look_{};
  std::string seen_;
  ssl_ctx_st* context_ = nullptr;
};

}  // namespace millrace::gateway
