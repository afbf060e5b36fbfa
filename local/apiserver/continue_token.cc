#include "local/apiserver/continue_token.h"

#include "local/apiserver/json_body.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6;) {
      count -= 6;
      out += kAlphabet[(bits >> count) & 63];
    }
  }
  if (count > 0) out += kAlphabet[(bits << (6 - count)) & 63];
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return out;
}

}  // namespace

std::string encode_continue(const ContinueToken& token) {
  const std::int64_t version = token.version ? static_cast<std::int64_t>(*token.version) : -1;
  return to_base64(
      Value::object(
          {{"v", "meta.k8s.io/v1"}, {"rv", version}, {"start", token.ns + "/" + token.name}})
          .dump());
}

Answer<ContinueToken> decode_continue(std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes) {
    return bad_request("invalid continue token: continue key is not valid: illegal base64 data");
  }
  const JsonBody body = read_json(*bytes);
  if (!body.error.empty()) {
    return bad_request("invalid continue token: continue key is not valid: " + body.error);
  }
  const Value* kind = body.value.find("v");
  const Value* version = body.value.find("rv");
  const Value* start = body.value.find("start");
  if (kind == nullptr || kind->as_string() != "meta.k8s.io/v1") {
    return bad_request(
        "invalid continue token: continue key is not valid: server does not recognize this "
        "encoded version");
  }
  const std::size_t slash = start == nullptr ? std::string::npos : start->as_string().find('/');
  if (version == nullptr || version->as_int() == 0 || version->as_int() < -1 ||
      slash == std::string::npos) {
    return bad_request(
        "invalid continue token: continue key is not valid: incorrect encoded start "
        "resourceVersion (version meta.k8s.io/v1)");
  }
  ContinueToken token{start->as_string().substr(0, slash), start->as_string().substr(slash + 1),
                      std::nullopt};
  if (version->as_int() > 0) token.version = static_cast<std::uint64_t>(version->as_int());
  return token;
}

}  // namespace millrace::apiserver
