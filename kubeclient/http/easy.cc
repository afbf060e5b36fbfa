#include "kubeclient/http/easy.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace millrace::http {
namespace {

constexpr std::size_t kIdleSlots = 32;
constexpr long kReceiveBuffer = 64L << 10;  // [bytes]
// A peer that acknowledges nothing for this long is gone; without it a dead HTTP/2 connection
// would take new requests for minutes.
constexpr unsigned kUserTimeout = 20'000;  // [ms]

template <class Value>
void set(Slot& slot, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(slot.easy, option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  MR_CHECK(code == CURLE_OK);
}

void set_blob(Slot& slot, CURLoption option, const std::string& text) {
  if (text.empty()) return set(slot, option, static_cast<curl_blob*>(nullptr));
  curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
  set(slot, option, &blob);
}

// The callbacks are noexcept: what they throw (exhausted memory) ends the process, rather than
// crossing frames of C.
std::size_t write_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
  Transfer& transfer = *static_cast<Slot*>(user)->transfer;
  switch (transfer.on_body({data, size})) {
    case Taken::Yes:
      return size;
    case Taken::Pause:
      return CURL_WRITEFUNC_PAUSE;
    case Taken::No:
      break;
  }
  return size == 0 ? 1 : 0;  // anything but `size` stops the transfer
}

std::size_t write_header(char* data, std::size_t, std::size_t size, void* user) noexcept {
  const Slot& slot = *static_cast<Slot*>(user);
  return slot.transfer->add_header({data, size}, slot.max_headers) ? size : 0;
}

/// Called before each sending. libcurl sends a request again by itself when a reused connection
/// turns out dead; for what is not idempotent that is the caller's decision.
int before_send(void* user, char*, char*, int, int) noexcept {
  const Slot& slot = *static_cast<Slot*>(user);
  ++*slot.sendings;
  Transfer& transfer = *slot.transfer;
  const Method method = transfer.request.method;
  const bool repeatable = method != Method::Post && method != Method::Patch;
  return ++transfer.sends > 1 && !repeatable ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

int tune_socket(void*, curl_socket_t socket, curlsocktype) noexcept {
  // Unix sockets and old kernels refuse it; keepalive remains.
  (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeout, sizeof kUserTimeout);
  return CURL_SOCKOPT_OK;
}

curl_slist* append(curl_slist* list, const char* text) {
  curl_slist* longer = curl_slist_append(list, text);
  if (longer == nullptr) throw std::bad_alloc();
  return longer;
}

void set_headers(Slot& slot, const std::vector<std::string>& headers) {
  if (slot.header_list != nullptr && slot.headers == headers) return;
  curl_slist_free_all(static_cast<curl_slist*>(slot.header_list));
  curl_slist* list = append(nullptr, "Expect:");  // no 100-continue round trip
  for (const std::string& header : headers) list = append(list, header.c_str());
  slot.header_list = list;
  slot.headers = headers;
  set(slot, CURLOPT_HTTPHEADER, list);
}

void set_method(Slot& slot, const Request& request) {
  const char* custom = nullptr;
  if (request.method == Method::Put) custom = "PUT";
  if (request.method == Method::Patch) custom = "PATCH";
  if (request.method == Method::Delete) custom = "DELETE";
  if (request.body.empty() && request.method != Method::Post) {
    set(slot, CURLOPT_HTTPGET, 1L);
  } else {
    set(slot, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(slot, CURLOPT_POSTFIELDS, request.body.data());  // not copied; lives in the transfer
    set(slot, CURLOPT_POST, 1L);
  }
  set(slot, CURLOPT_CUSTOMREQUEST, custom);
}

}  // namespace

Slot::Slot() : easy(curl_easy_init()), error_text(CURL_ERROR_SIZE) {
  if (easy == nullptr) throw std::bad_alloc();
}

Slot::~Slot() {
  curl_easy_cleanup(easy);
  curl_slist_free_all(static_cast<curl_slist*>(header_list));
  curl_slist_free_all(static_cast<curl_slist*>(connect_to));
}

std::unique_ptr<Slot> SlotPool::take(Transfer& transfer) {
  std::unique_ptr<Slot> slot;
  if (idle_.empty()) {
    slot = std::make_unique<Slot>();
  } else {
    slot = std::move(idle_.back());
    idle_.pop_back();
  }
  if (slot->generation != generation_) apply_settings(*slot);
  slot->transfer = &transfer;
  slot->error_text[0] = '\0';
  set(*slot, CURLOPT_URL, transfer.request.url.c_str());
  set_method(*slot, transfer.request);
  set_headers(*slot, transfer.request.headers);
  transfer.slot = slot.get();
  return slot;
}

void SlotPool::give_back(std::unique_ptr<Slot> slot) {
  slot->transfer->slot = nullptr;
  slot->transfer = nullptr;
  if (idle_.size() < kIdleSlots) idle_.push_back(std::move(slot));
}

void SlotPool::set_client_certificate(std::string certificate, std::string key) {
  options_.tls.certificate = std::move(certificate);
  options_.tls.key = std::move(key);
  ++generation_;
}

void SlotPool::apply_settings(Slot& slot) {
  const LoopOptions& o = options_;
  set(slot, CURLOPT_PRIVATE, &slot);
  set(slot, CURLOPT_ERRORBUFFER, slot.error_text.data());
  set(slot, CURLOPT_NOSIGNAL, 1L);
  set(slot, CURLOPT_QUICK_EXIT, 1L);  // never wait in this thread for a name server
  set(slot, CURLOPT_PROTOCOLS_STR, "http,https");
  set(slot, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(slot, CURLOPT_PIPEWAIT, 1L);
  set(slot, CURLOPT_TCP_NODELAY, 1L);
  set(slot, CURLOPT_TCP_KEEPALIVE, 1L);
  set(slot, CURLOPT_TCP_KEEPIDLE, 15L);   // [s]
  set(slot, CURLOPT_TCP_KEEPINTVL, 10L);  // [s]
  set(slot, CURLOPT_SOCKOPTFUNCTION, &tune_socket);
  set(slot, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(o.connect_timeout.count()));
  set(slot, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  set(slot, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(slot, CURLOPT_WRITEFUNCTION, &write_body);
  set(slot, CURLOPT_WRITEDATA, &slot);
  set(slot, CURLOPT_HEADERFUNCTION, &write_header);
  set(slot, CURLOPT_HEADERDATA, &slot);
  set(slot, CURLOPT_PREREQFUNCTION, &before_send);
  set(slot, CURLOPT_PREREQDATA, &slot);

  set(slot, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const bool verify = o.tls.verify == Verify::Yes;
  set(slot, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  set(slot, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (!o.tls.ca.empty()) {  // this one, and not the system's as well
    set(slot, CURLOPT_CAINFO, static_cast<const char*>(nullptr));
    set(slot, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    set_blob(slot, CURLOPT_CAINFO_BLOB, o.tls.ca);
  }
  set(slot, CURLOPT_SSLCERTTYPE, "PEM");
  set(slot, CURLOPT_SSLKEYTYPE, "PEM");
  set(slot, CURLOPT_KEYPASSWD, "");  // never ask the terminal
  set_blob(slot, CURLOPT_SSLCERT_BLOB, o.tls.certificate);
  set_blob(slot, CURLOPT_SSLKEY_BLOB, o.tls.key);

  set(slot, CURLOPT_PROXY, o.proxy.c_str());  // "" also keeps the environment out
  set(slot, CURLOPT_NOPROXY, o.no_proxy.c_str());
  if (!o.connect_to.empty() && slot.connect_to == nullptr) {
    slot.connect_to = append(nullptr, o.connect_to.c_str());
    set(slot, CURLOPT_CONNECT_TO, static_cast<curl_slist*>(slot.connect_to));
  }
  slot.max_headers = o.max_headers;
  slot.sendings = &sendings_;
  slot.generation = generation_;
}

}  // namespace millrace::http
