#include "kubeclient/http/failure.h"

#include <curl/curl.h>

#include <string>
#include <utility>

namespace millrace::http {
namespace {

struct Row {
  CURLcode curl_code;
  Code code;
  const char* cause;
  const char* cure;  ///< empty: the cause says it all
};

// What is not listed is Unavailable, with libcurl's sentence only.
constexpr Row kRows[] = {
    {CURLE_URL_MALFORMAT, Code::Invalid, "not a URL", "write it as https://host:port"},
    {CURLE_UNSUPPORTED_PROTOCOL, Code::Invalid, "neither http nor https",
     "write the address as https://host:port"},
    {CURLE_COULDNT_RESOLVE_HOST, Code::Unavailable, "the host name cannot be resolved",
     "check the name and this machine's DNS"},
    {CURLE_COULDNT_RESOLVE_PROXY, Code::Unavailable, "the proxy's host name cannot be resolved",
     "check the proxy URL and this machine's DNS"},
    {CURLE_PROXY, Code::Unavailable, "the proxy refused or failed", "check the proxy URL"},
    {CURLE_COULDNT_CONNECT, Code::Unavailable, "cannot connect",
     "check that the server runs and that address and port are right"},
    {CURLE_OPERATION_TIMEDOUT, Code::Unavailable, "no connection within the time limit",
     "check address, port and firewalls"},
    {CURLE_SSL_CONNECT_ERROR, Code::Unavailable, "the TLS handshake failed",
     "check that the port speaks TLS and accepts our client certificate"},
    {CURLE_PEER_FAILED_VERIFICATION, Code::Denied, "the server's certificate is not trusted",
     "check the certificate authority, and that the certificate is valid for this host name"},
    {CURLE_SSL_ISSUER_ERROR, Code::Denied, "the server's certificate has the wrong issuer",
     "check the certificate authority"},
    {CURLE_SSL_CACERT_BADFILE, Code::Invalid, "the certificate authority cannot be read",
     "it must be PEM text"},
    {CURLE_SSL_CERTPROBLEM, Code::Invalid, "our client certificate or key cannot be used",
     "both must be PEM text, belong together, and the key must have no passphrase"},
    {CURLE_WEIRD_SERVER_REPLY, Code::Malformed, "the answer is not HTTP",
     "check that the port is the right one, and http against https"},
    {CURLE_BAD_CONTENT_ENCODING, Code::Malformed, "the answer has an unknown encoding", ""},
    {CURLE_GOT_NOTHING, Code::Unavailable, "the server closed the connection without an answer",
     ""},
    {CURLE_PARTIAL_FILE, Code::Unavailable, "the connection was cut in the middle of the answer",
     ""},
    {CURLE_RECV_ERROR, Code::Unavailable, "the connection was cut", ""},
    {CURLE_SEND_ERROR, Code::Unavailable, "the connection was cut while sending", ""},
    {CURLE_ABORTED_BY_CALLBACK, Code::Unavailable,
     "the connection was closed before the answer came; the request may have had effect", ""},
};

}  // namespace

Error error_of(Code code, std::string message) { return fail(code, std::move(message)).value(); }

Error not_http(std::string_view target, std::string_view detail) {
  return describe_failure(CURLE_WEIRD_SERVER_REPLY, target, detail);
}

Error cut_short(std::string_view target, bool begun) {
  return describe_failure(begun ? CURLE_PARTIAL_FILE : CURLE_GOT_NOTHING, target, "");
}

Error describe_failure(int curl_code, std::string_view target, std::string_view detail) {
  const auto code = static_cast<CURLcode>(curl_code);
  Error error = error_of(Code::Unavailable, std::string(target) + ": ");
  // The same code stands for a wrong scheme and for bytes that are not HTTP at all.
  if (code == CURLE_UNSUPPORTED_PROTOCOL && detail.find("HTTP/0.9") != std::string_view::npos) {
    return describe_failure(CURLE_WEIRD_SERVER_REPLY, target, "");
  }
  // The server's TLS alerts about our certificate come under several codes.
  const bool alert = detail.find("alert") != std::string_view::npos;
  if (alert && (detail.find("certificate") != std::string_view::npos ||
                detail.find("unknown ca") != std::string_view::npos)) {
    error.code = Code::Denied;
    error.message += "the server wants a client certificate, or refuses ours (" +
                     std::string(detail) + "); check that it is given, valid and not expired";
    return error;
  }
  const std::string said(detail.empty() ? curl_easy_strerror(code) : detail);
  for (const Row& row : kRows) {
    if (row.curl_code != code) continue;
    error.code = row.code;
    error.message += row.cause;
    if (code != CURLE_ABORTED_BY_CALLBACK) error.message += " (" + said + ")";
    if (*row.cure != '\0') error.message += std::string("; ") + row.cure;
    return error;
  }
  error.message += said;
  return error;
}

}  // namespace millrace::http
