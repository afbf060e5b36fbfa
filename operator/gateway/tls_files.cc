#include "operator/gateway/tls_files.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <utility>

namespace millrace::gateway {
namespace {

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, Free>;

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "it cannot be read";
}

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kOurs, sizeof kOurs - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// Never ask a terminal for the password of a key.
int no_password(char*, int, int, void*) { return 0; }

void add_stamp(std::string& out, const std::string& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    out += "-;";
    return;
  }
  for (const auto number :
       {static_cast<std::int64_t>(info.st_dev), static_cast<std::int64_t>(info.st_ino),
        static_cast<std::int64_t>(info.st_size), static_cast<std::int64_t>(info.st_mtim.tv_sec),
        static_cast<std::int64_t>(info.st_mtim.tv_nsec)}) {
    out += std::to_string(number) + ",";
  }
  out += ";";
}

}  // namespace

TlsFiles::TlsFiles(std::string certificate_file, std::string key_file, Duration reload_interval)
    : certificate_file_(std::move(certificate_file)),
      key_file_(std::move(key_file)),
      reload_interval_(reload_interval) {}

TlsFiles::~TlsFiles() { SSL_CTX_free(context_); }

Result<std::unique_ptr<TlsFiles>> TlsFiles::open(const std::string& certificate_file,
                                                 const std::string& key_file,
                                                 Duration reload_interval) {
  std::unique_ptr<TlsFiles> files(new TlsFiles(certificate_file, key_file, reload_interval));
  files->seen_ = files->stamp();
  MR_TRY(files->read());
  return files;
}

std::string TlsFiles::stamp() const {
  std::string out;
  add_stamp(out, certificate_file_);
  add_stamp(out, key_file_);
  return out;
}

Result<> TlsFiles::read() {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_server_method()));
  MR_CHECK(context != nullptr);
  SSL_CTX* c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(
      c, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  // A write may be repeated from another buffer, as Asio does; idle connections hold no buffers.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(c, select_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(c, no_password);
  if (SSL_CTX_use_certificate_chain_file(c, certificate_file_.c_str()) != 1) {
    return fail(Code::Invalid, "certificate \"" + certificate_file_ + "\": " + openssl_error());
  }
  if (SSL_CTX_use_PrivateKey_file(c, key_file_.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(Code::Invalid, "key \"" + key_file_ + "\": " + openssl_error());
  }
  if (SSL_CTX_check_private_key(c) != 1) {
    return fail(Code::Invalid, "key \"" + key_file_ + "\" does not belong to certificate \"" +
                                   certificate_file_ + "\"");
  }
  SSL_CTX_free(context_);
  SSL_CTX_up_ref(c);
  context_ = c;
  return {};
}

ssl_ctx_st* TlsFiles::take(SteadyTime now, const Logger& log) {
  if (now >= next_look_) {
    next_look_ = now + reload_interval_;
    std::string found = stamp();
    if (found != seen_) {
      seen_ = std::move(found);
      const auto done = read();
      if (done.ok()) {
        log.info("certificate read again", {kv("file", certificate_file_)});
      } else {
        log.warn("the new certificate cannot be used; the old one stays in use",
                 {kv("error", done.error())});
      }
    }
  }
  SSL_CTX_up_ref(context_);
  return context_;
}

}  // namespace millrace::gateway
