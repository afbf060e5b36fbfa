#include "controllers/delivery/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <array>

#include "controllers/delivery/delivery.h"

namespace millrace::delivery {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Digest digest_of(std::string_view text) {
  Digest digest{};
  SHA256(bytes(text), text.size(), digest.data());
  return digest;
}

std::string to_hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  Digest digest{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(),
       digest.data(), &length);
  return to_hex(digest);
}

std::string sha256(std::string_view text) { return to_hex(digest_of(text)); }

bool same_secret(std::string_view given, std::string_view expected) {
  // Digests are of one length whatever the texts are, and say nothing of a common beginning.
  const Digest a = digest_of(given);
  const Digest b = digest_of(expected);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool signature_matches(std::string_view key, std::string_view body, std::string_view given) {
  constexpr std::string_view kPrefix = "sha256=";
  if (given.size() > kPrefix.size() && same_name(given.substr(0, kPrefix.size()), kPrefix)) {
    given.remove_prefix(kPrefix.size());
  }
  if (given.size() != 2 * SHA256_DIGEST_LENGTH) return false;
  std::string text(given);
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return same_secret(text, hmac_sha256(key, body));
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size() ||
      !same_name(authorization.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  return authorization;
}

}  // namespace millrace::delivery
