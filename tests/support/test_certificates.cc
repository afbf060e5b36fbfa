#include "tests/support/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>

#include "kubeclient/base/result.h"

namespace millrace::support {
namespace {

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* t) const { Free(t); }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION, X509_EXTENSION_free>>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  MR_CHECK(extension != nullptr);
  MR_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// `authority` null: self-signed.
TestCertificate make(const TestCertificate* authority, const CertificateWish& wish) {
  static std::atomic<long> serial{1};
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertPtr certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), wish.valid_from.count());
  X509_gmtime_adj(X509_getm_notAfter(x), wish.valid_until.count());
  X509_set_pubkey(x, key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  CertPtr issuer;
  KeyPtr issuer_key;
  if (authority != nullptr) {
    const BioPtr a(BIO_new_mem_buf(authority->certificate.data(), -1));
    issuer.reset(PEM_read_bio_X509(a.get(), nullptr, nullptr, nullptr));
    const BioPtr b(BIO_new_mem_buf(authority->key.data(), -1));
    issuer_key.reset(PEM_read_bio_PrivateKey(b.get(), nullptr, nullptr, nullptr));
  }
  X509* signer = issuer ? issuer.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(signer));
  add_extension(x, signer, NID_basic_constraints, authority ? "CA:FALSE" : "critical,CA:TRUE");
  std::string names;
  for (const std::string& dns : wish.dns) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
  for (const std::string& ip : wish.ips) names += (names.empty() ? "IP:" : ",IP:") + ip;
  if (!names.empty()) add_extension(x, signer, NID_subject_alt_name, names);
  MR_CHECK(X509_sign(x, issuer_key ? issuer_key.get() : key.get(), EVP_sha256()) > 0);

  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), x);
  const BioPtr key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(out.get()), text_of(key_out.get())};
}

}  // namespace

TestCertificate make_authority(const std::string& common_name) {
  return make(nullptr, {.common_name = common_name});
}

TestCertificate issue(const TestCertificate& authority, const CertificateWish& wish) {
  return make(&authority, wish);
}

}  // namespace millrace::support
