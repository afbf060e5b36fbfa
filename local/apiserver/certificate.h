/// The server's own certificate authority and certificate, made where they are missing.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::apiserver {

/// A certificate with its private key (ECDSA P-256), both PEM.
struct CertificatePair {
  std::string certificate;
  std::string private_key;
};

/// A self-signed authority, valid for ten years from `now`. Errors: Bug (OpenSSL refuses).
Result<CertificatePair> make_authority(Time now);
/// A server certificate for `names` (DNS names and IP addresses), valid for a year from `now`, and
/// never longer than its authority. Errors: Invalid (authority or name unusable), Bug.
Result<CertificatePair> make_server_certificate(const CertificatePair& authority,
                                                const std::vector<std::string>& names, Time now);

/// Whether the pair is good to use: both parse and belong together, it is valid at `now` and
/// another 30 days, it is for all of `names`, and signed by `authority` (PEM; empty: by itself).
bool is_usable(const CertificatePair& pair, std::string_view authority,
               const std::vector<std::string>& names, Time now);

/// What a server needs, and what its clients check it against.
struct ServerIdentity {
  std::string authority;  ///< certificate only, PEM
  CertificatePair server;
};

/// The identity kept in `folder` (ca.crt, ca.key, server.crt, server.key; made with mode 0700, the
/// files with 0600). What is missing, broken, near its end or not for `names` is made anew; the
/// authority is kept as long as it is good, so that kubeconfigs stay valid. One process at a time.
/// Errors: Unavailable (the folder cannot be written; the message names the file).
Result<ServerIdentity> server_identity(const std::string& folder,
                                       const std::vector<std::string>& names, Time now);

}  // namespace millrace::apiserver
