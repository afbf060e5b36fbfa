#include "kubeclient/http/answer.h"

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <cstdint>
#include <string>

#include "kubeclient/http/failure.h"
#include "kubeclient/http/line.h"

namespace millrace::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

using ErrorCode = boost::system::error_code;
using Text = beast::string_view;

std::string_view view(Text text) { return {text.data(), text.size()}; }

/// Hands what it finds to a transfer.
class Parser final : public beast::http::basic_parser<false> {
 public:
  Parser(Transfer& transfer, std::size_t max_headers) : transfer_(transfer) {
    header_limit(static_cast<std::uint32_t>(max_headers));
    body_limit(boost::none);  // the transfer looks to that
    eager(true);
  }

 private:
  void on_request_impl(beast::http::verb, Text, Text, int, ErrorCode&) override {}
  void on_response_impl(int status, Text, int, ErrorCode& error) override {
    error = {};
    transfer_.head = Head{};
    transfer_.head.status = status;
    interim_ = status < 200;
  }
  void on_field_impl(beast::http::field, Text name, Text value, ErrorCode& error) override {
    error = {};
    if (!interim_) transfer_.add_header(view(name), view(value));
  }
  void on_header_impl(ErrorCode& error) override {
    error = {};
    if (interim_) return;
    if (const auto length = content_length()) {
      transfer_.content_length = static_cast<std::size_t>(*length);
    }
    transfer_.head_done = true;
    transfer_.on_head();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode& error) override {
    error = {};
  }
  std::size_t on_body_impl(Text body, ErrorCode& error) override {
    if (!transfer_.on_body(view(body))) error = beast::http::error::body_limit;
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, ErrorCode& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }

  Transfer& transfer_;
  bool interim_ = false;
};

}  // namespace

struct Answer::Impl {
  Impl(Transfer& whose, std::size_t most)
      : transfer(whose), max_headers(most), parser(std::make_unique<Parser>(whose, most)) {}

  /// How many of `bytes` were taken; nothing on an error.
  std::optional<std::size_t> put(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !parser->is_done()) {
      ErrorCode code;
      const std::size_t used =
          parser->put(asio::buffer(bytes.data() + taken, bytes.size() - taken), code);
      taken += used;
      if (code && code != beast::http::error::need_more) {
        failed(code);
        return std::nullopt;
      }
      if (parser->is_done() && interim()) {
        transfer.head = Head{};
        parser = std::make_unique<Parser>(transfer, max_headers);
      } else if (code == beast::http::error::need_more || used == 0) {
        break;
      }
    }
    return taken;
  }

  bool interim() const { return transfer.head.status > 0 && transfer.head.status < 200; }

  void failed(const ErrorCode& code) {
    if (transfer.failure) {
      error = *transfer.failure;
    } else if (code == beast::http::error::header_limit) {
      error = error_of(Code::Malformed, transfer.target() + ": the headers of the answer exceed " +
                                            std::to_string(max_headers) + " bytes");
    } else {
      error = not_http(transfer.target(), code.message());
    }
  }

  Transfer& transfer;
  const std::size_t max_headers;
  std::unique_ptr<Parser> parser;
  std::string rest;  ///< came, but the parser wants more with it
  bool begun = false;
  std::optional<Error> error;
};

Answer::Answer(Transfer& transfer, std::size_t max_headers)
    : impl_(std::make_unique<Impl>(transfer, max_headers)) {}
Answer::~Answer() = default;

bool Answer::feed(std::string_view bytes) {
  impl_->begun = impl_->begun || !bytes.empty();
  if (impl_->rest.empty()) {  // nearly always: no copy
    const auto taken = impl_->put(bytes);
    if (taken) impl_->rest = bytes.substr(*taken);
    return taken.has_value();
  }
  impl_->rest += bytes;
  const auto taken = impl_->put(impl_->rest);
  if (taken) impl_->rest.erase(0, *taken);
  return taken.has_value();
}

bool Answer::feed_end() {
  if (complete()) return true;
  if (impl_->transfer.head_done && impl_->parser->need_eof()) {
    ErrorCode code;
    impl_->parser->put_eof(code);
    return !code;
  }
  impl_->error = cut_short(impl_->transfer.target(), impl_->transfer.head_done);
  return false;
}

bool Answer::complete() const { return impl_->parser->is_done() && !impl_->interim(); }
bool Answer::begun() const { return impl_->begun; }
bool Answer::keep_alive() const { return impl_->parser->keep_alive() && impl_->rest.empty(); }
Error Answer::error() const { return impl_->error.value_or(Error{}); }

}  // namespace millrace::http
