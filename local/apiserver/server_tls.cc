#include "local/apiserver/server_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sslerr.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstring>

namespace millrace::apiserver {
namespace {

namespace asio = boost::asio;

/// One record of TLS holds so much [bytes].
constexpr std::size_t kRecord = 16'384;
/// Encrypted and sent at a time [bytes]; below what malloc takes from the kernel piece by piece.
constexpr std::size_t kAtOnce = std::size_t{96} << 10;
/// Of OpenSSL's own, for a peer that asks and does not read [bytes].
constexpr std::size_t kMostUnsent = std::size_t{64} << 10;
/// What a record adds to its content, at most about [bytes].
constexpr std::size_t kOverhead = 64;

struct FreeParts {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Text = std::unique_ptr<BIO, FreeParts>;
using Certificate = std::unique_ptr<X509, FreeParts>;
using Key = std::unique_ptr<EVP_PKEY, FreeParts>;

Text text_of(const std::string& pem) {
  return Text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

TlsStream::ErrorCode tls_error() {
  return {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()};
}

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_length, kOurs, sizeof kOurs - 1, in, in_length);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// The first certificate is the server's, those after it lead to the authority.
bool use_certificates(SSL_CTX* context, const std::string& pem) {
  const Text text = text_of(pem);
  Certificate own(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) == 1) continue;
    X509_free(next);
    return false;
  }
  ERR_clear_error();  // the end of the text is told of as one
  return true;
}

}  // namespace

Result<TlsContext> make_tls_context(const std::string& certificate, const std::string& key) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  MR_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
  ERR_clear_error();
  const Key own(PEM_read_bio_PrivateKey(text_of(key).get(), nullptr, nullptr, nullptr));
  if (own == nullptr || !use_certificates(context.get(), certificate) ||
      SSL_CTX_use_PrivateKey(context.get(), own.get()) != 1) {
    return fail(Code::Invalid, "the server's certificate or key: " + tls_error().message());
  }
  return context;
}

TlsStream::TlsStream(Socket&& socket, SSL_CTX* context)
    : socket_(std::move(socket)), session_(SSL_new(context)) {
  MR_CHECK(session_ != nullptr);
  BIO* bio = BIO_new(bio_method());
  MR_CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(session_.get(), bio, bio);
  SSL_set_accept_state(session_.get());
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
}

bool TlsStream::is_plain_http(const ErrorCode& error) {
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
}

const BIO_METHOD* TlsStream::bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace");
    MR_CHECK(made != nullptr);
    BIO_meth_set_write(made, take_output);
    BIO_meth_set_read(made, give_input);
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  return method;
}

int TlsStream::take_output(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsStream*>(BIO_get_data(bio))->output_.append(data, static_cast<std::size_t>(size));
  return size;
}

int TlsStream::give_input(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  std::string_view& left = static_cast<TlsStream*>(BIO_get_data(bio))->input_left_;
  if (left.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(left.size(), static_cast<std::size_t>(size));
  std::memcpy(data, left.data(), count);
  left.remove_prefix(count);
  return static_cast<int>(count);
}

TlsStream::Step TlsStream::outcome(int returned) const {
  switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_NONE:
      return {};
    case SSL_ERROR_WANT_READ:
      return {.wants_input = true};
    case SSL_ERROR_SSL:
      return {.error = tls_error()};
    default:
      return {.error = asio::error::eof};
  }
}

TlsStream::Step TlsStream::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(session_.get()));
}

TlsStream::Step TlsStream::read(asio::mutable_buffer into) {
  if (into.size() == 0) return {};
  if (output_.size() > kMostUnsent) return {.error = asio::error::no_buffer_space};
  ERR_clear_error();
  std::size_t count = 0;
  Step step = outcome(SSL_read_ex(session_.get(), into.data(), into.size(), &count));
  step.count = count;
  return step;
}

TlsStream::Step TlsStream::shut_down() {
  ERR_clear_error();
  const int returned = SSL_shutdown(session_.get());
  if (returned == 0) return {.wants_input = true};  // ours is said, the peer's is missing
  return outcome(returned);
}

TlsStream::ErrorCode TlsStream::encrypt(Texts& texts) {
  ERR_clear_error();
  std::size_t room = kAtOnce;
  const std::size_t all = std::min(room, texts[0].size() + texts[1].size());
  output_.reserve(output_.size() + all + (all / kRecord + 2) * kOverhead);
  const auto write = [&](std::string_view text) {
    std::size_t written = 0;
    return text.empty() || SSL_write_ex(session_.get(), text.data(), text.size(), &written) == 1;
  };
  if (!texts[0].empty() && !texts[1].empty() && texts[0].size() + texts[1].size() <= kRecord) {
    // In one record.
    std::array<char, kRecord> both;
    const auto end = std::copy(texts[0].begin(), texts[0].end(), both.begin());
    std::copy(texts[1].begin(), texts[1].end(), end);
    if (!write({both.data(), texts[0].size() + texts[1].size()})) return tls_error();
    texts = {};
    return {};
  }
  for (std::string_view& text : texts) {
    const std::string_view part = text.substr(0, room);
    if (!write(part)) return tls_error();
    text.remove_prefix(part.size());
    room -= part.size();
  }
  return {};
}

void TlsStream::begin_sending() {
  sending_ = true;
  on_its_way_.swap(output_);
}

void TlsStream::end_sending() {
  sending_ = false;
  on_its_way_ = {};  // a connection that waits holds no more memory than it needs
  flush();
}

void TlsStream::flush() {
  if (sending_ || output_.empty()) return;
  ErrorCode ignored;  // whoever reads is told
  output_.erase(0, socket_.write_some(asio::buffer(output_), ignored));
}

}  // namespace millrace::apiserver
