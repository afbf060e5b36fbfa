#include "kubeclient/client/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "kubeclient/base/time_format.h"

namespace millrace::client {
namespace {

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* t) const { Free(t); }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertPtr parse_certificate(const std::string& pem) {
  const BioPtr bio = reader(pem);
  CertPtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

/// An empty password where OpenSSL would ask the terminal.
int no_password(char*, int, int, void*) { return -1; }

KeyPtr parse_key(const std::string& pem) {
  const BioPtr bio = reader(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

Time to_time(const ASN1_TIME* asn1) {
  std::tm tm{};
  ASN1_TIME_to_tm(asn1, &tm);
  return std::chrono::time_point_cast<Time::duration>(
      std::chrono::system_clock::from_time_t(timegm(&tm)));
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  int count = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos || padding > 0) return std::nullopt;
    bits = (bits << 6) | static_cast<unsigned>(value);
    ++count;
    if (count % 4 != 1) {
      const int shift = 6 - 2 * ((count - 1) % 4);
      out += static_cast<char>((bits >> shift) & 0xFF);
    }
  }
  const int rest = count % 4;
  if (rest == 1 || (rest == 0 ? padding != 0 : padding != 4 - rest)) return std::nullopt;
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const unsigned group = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    out += kAlphabet[(group >> 18) & 63];
    out += kAlphabet[(group >> 12) & 63];
    out += i + 1 < bytes.size() ? kAlphabet[(group >> 6) & 63] : '=';
    out += i + 2 < bytes.size() ? kAlphabet[group & 63] : '=';
  }
  return out;
}

Result<void> check_authority(const std::string& pem) {
  if (!parse_certificate(pem)) {
    return fail(Code::Invalid,
                "holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")");
  }
  return {};
}

Result<Time> certificate_expiry(const std::string& pem) {
  const CertPtr certificate = parse_certificate(pem);
  if (!certificate) {
    return fail(Code::Invalid,
                "client certificate: no certificate in PEM form "
                "(\"-----BEGIN CERTIFICATE-----\")");
  }
  return to_time(X509_get0_notAfter(certificate.get()));
}

Result<void> check_key_pair(const std::string& certificate, const std::string& key, Time now) {
  MR_ASSIGN(const Time expiry, certificate_expiry(certificate));
  if (key.find("ENCRYPTED") != std::string::npos) {
    return fail(Code::Invalid,
                "client key: it has a passphrase; store it without one (openssl pkey -in KEY)");
  }
  const KeyPtr parsed_key = parse_key(key);
  if (!parsed_key) {
    return fail(Code::Invalid, "client key: no private key in PEM form");
  }
  const CertPtr parsed = parse_certificate(certificate);
  const bool match = X509_check_private_key(parsed.get(), parsed_key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return fail(Code::Invalid, "client certificate and client key do not belong together");
  }
  if (expiry <= now) {
    return fail(Code::Invalid,
                "client certificate: expired at " + format_time(expiry) + "; get a new one");
  }
  return {};
}

}  // namespace millrace::client
