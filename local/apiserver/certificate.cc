#include "local/apiserver/certificate.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

namespace millrace::apiserver {
namespace {

using std::chrono::days;

constexpr days kAuthorityLife{3650};
constexpr days kServerLife{365};
constexpr days kRenewBefore{30};
/// Clocks of clients in virtual machines may be a little behind.
constexpr std::chrono::hours kBackdated{1};

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* t) const { Free(t); }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION, X509_EXTENSION_free>>;

std::time_t seconds_of(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

CertPtr parse_certificate(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertPtr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

KeyPtr parse_key(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return KeyPtr(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

bool is_address(const std::string& name) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_random_serial(X509* certificate) {
  unsigned char bytes[8];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  std::uint64_t serial = 0;
  for (const unsigned char byte : bytes) serial = serial << 8 | byte;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

/// A certificate with a key of its own, not yet signed.
CertPtr draft(const KeyPtr& key, const std::string& common_name, Time from, Time until) {
  CertPtr certificate(X509_new());
  X509* x = certificate.get();
  const auto* name = reinterpret_cast<const unsigned char*>(common_name.c_str());
  const bool done = x != nullptr && X509_set_version(x, 2) == 1 && set_random_serial(x) &&
                    ASN1_TIME_set(X509_getm_notBefore(x), seconds_of(from)) != nullptr &&
                    ASN1_TIME_set(X509_getm_notAfter(x), seconds_of(until)) != nullptr &&
                    X509_set_pubkey(x, key.get()) == 1 &&
                    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, name,
                                               -1, -1, 0) == 1;
  return done ? std::move(certificate) : nullptr;
}

CertificatePair to_pem(X509* certificate, EVP_PKEY* key) {
  const BioPtr a(BIO_new(BIO_s_mem()));
  const BioPtr b(BIO_new(BIO_s_mem()));
  MR_CHECK(a && b && PEM_write_bio_X509(a.get(), certificate) == 1 &&
           PEM_write_bio_PrivateKey(b.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return {text_of(a.get()), text_of(b.get())};
}

bool is_for(X509* certificate, const std::string& name) {
  if (is_address(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.c_str(), name.size(), 0, nullptr) == 1;
}

tl::unexpected<Error> refused(const char* what) {
  return fail(Code::Bug, std::string("OpenSSL refuses to make ") + what);
}

tl::unexpected<Error> unwritable(const std::string& path, int error) {
  return fail(Code::Unavailable, "cannot write \"" + path + "\": " + std::strerror(error) +
                                     "; make the folder writable for you, or use another one");
}

/// The file, or nothing: what cannot be read is made anew.
std::string read_or_empty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.is_open()) text << file.rdbuf();
  return text.str();
}

/// Put `text` into `path`, whole or not at all, readable by its owner only.
Result<> write_private(const std::string& path, std::string_view text) {
  const std::string draft_path = path + ".new";
  ::unlink(draft_path.c_str());
  const int fd = ::open(draft_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return unwritable(draft_path, errno);
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0) {
      error = errno == EINTR ? 0 : errno;
    } else {
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(draft_path.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) return unwritable(path, error);
  return {};
}

Result<> write_pair(const std::string& stem, const CertificatePair& pair) {
  MR_TRY(write_private(stem + ".key", pair.private_key));
  return write_private(stem + ".crt", pair.certificate);
}

}  // namespace

Result<CertificatePair> make_authority(Time now) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return refused("a key");
  const CertPtr certificate =
      draft(key, "millrace local authority", now - kBackdated, now + kAuthorityLife);
  X509* x = certificate.get();
  const bool done = x != nullptr && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
                    add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add_extension(x, x, NID_subject_key_identifier, "hash") &&
                    X509_sign(x, key.get(), EVP_sha256()) > 0;
  if (!done) return refused("an authority");
  return to_pem(x, key.get());
}

Result<CertificatePair> make_server_certificate(const CertificatePair& authority,
                                                const std::vector<std::string>& names, Time now) {
  const CertPtr issuer = parse_certificate(authority.certificate);
  const KeyPtr issuer_key = parse_key(authority.private_key);
  if (!issuer || !issuer_key) return fail(Code::Invalid, "the authority cannot be read");
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return refused("a key");
  std::string all;
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_of(",\n") != std::string::npos) {
      return fail(Code::Invalid, "\"" + name + "\" is no name for a certificate");
    }
    all += std::string(all.empty() ? "" : ",") + (is_address(name) ? "IP:" : "DNS:") + name;
  }
  const CertPtr certificate = draft(key, "millrace local", now - kBackdated, now + kServerLife);
  X509* x = certificate.get();
  if (x == nullptr) return refused("a certificate");
  if (ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(issuer.get())) > 0) {
    X509_set1_notAfter(x, X509_get0_notAfter(issuer.get()));
  }
  const bool done = X509_set_issuer_name(x, X509_get_subject_name(issuer.get())) == 1 &&
                    add_extension(x, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(x, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                    add_extension(x, issuer.get(), NID_ext_key_usage, "serverAuth") &&
                    add_extension(x, issuer.get(), NID_authority_key_identifier, "keyid") &&
                    (all.empty() || add_extension(x, issuer.get(), NID_subject_alt_name, all)) &&
                    X509_sign(x, issuer_key.get(), EVP_sha256()) > 0;
  if (!done) return refused("a certificate");
  return to_pem(x, key.get());
}

bool is_usable(const CertificatePair& pair, std::string_view authority,
               const std::vector<std::string>& names, Time now) {
  const CertPtr certificate = parse_certificate(pair.certificate);
  const KeyPtr key = parse_key(pair.private_key);
  if (!certificate || !key) return false;
  X509* x = certificate.get();
  if (X509_check_private_key(x, key.get()) != 1) return false;
  std::time_t from = seconds_of(now);
  std::time_t until = seconds_of(now + kRenewBefore);
  if (X509_cmp_time(X509_get0_notBefore(x), &from) > 0) return false;
  if (X509_cmp_time(X509_get0_notAfter(x), &until) < 0) return false;
  const CertPtr issuer = parse_certificate(authority.empty() ? pair.certificate : authority);
  if (!issuer || X509_verify(x, X509_get0_pubkey(issuer.get())) != 1) return false;
  return std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return is_for(x, name); });
}

Result<ServerIdentity> server_identity(const std::string& folder,
                                       const std::vector<std::string>& names, Time now) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return unwritable(folder, errno);
  const auto load = [&](const std::string& stem) {
    return CertificatePair{read_or_empty(stem + ".crt"), read_or_empty(stem + ".key")};
  };
  CertificatePair authority = load(folder + "/ca");
  if (!is_usable(authority, "", {}, now)) {
    MR_ASSIGN(authority, make_authority(now));
    MR_TRY(write_pair(folder + "/ca", authority));
  }
  CertificatePair server = load(folder + "/server");
  if (!is_usable(server, authority.certificate, names, now)) {
    MR_ASSIGN(server, make_server_certificate(authority, names, now));
    MR_TRY(write_pair(folder + "/server", server));
  }
  return ServerIdentity{std::move(authority.certificate), std::move(server)};
}

}  // namespace millrace::apiserver
