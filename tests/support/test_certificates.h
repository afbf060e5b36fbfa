/// Certificates made at run time, so that no key lies in the repository.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace millrace::support {

/// A certificate and its private key, as PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

/// Names and validity of a certificate, from `valid_from` to `valid_until` seen from now.
struct CertificateWish {
  std::string common_name = "test";
  std::vector<std::string> dns = {};
  std::vector<std::string> ips = {};
  std::chrono::seconds valid_from = std::chrono::hours(-1);
  std::chrono::seconds valid_until = std::chrono::hours(1);
};

/// A self-signed authority.
TestCertificate make_authority(const std::string& common_name);
/// A certificate for server or client, signed by `authority`.
TestCertificate issue(const TestCertificate& authority, const CertificateWish& wish);

}  // namespace millrace::support
