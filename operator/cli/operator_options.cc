#include "operator/cli/operator_options.h"

#include <charconv>

namespace millrace::cli {

Result<std::optional<ListenAddress>> parse_listen_address(std::string_view text) {
  if (text.empty() || text == "0") return std::optional<ListenAddress>();
  const auto invalid = [&](std::string_view what) {
    return fail(Code::Invalid, "\"" + std::string(text) + "\": " + std::string(what) +
                                   "; write :PORT, ADDRESS:PORT or [IPV6]:PORT, or 0 for none");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("the port is missing");
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  ListenAddress address;
  const char* const end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, address.port);
  if (port_text.empty() || error != std::errc() || stop != end) {
    return invalid("the port must be a number from 0 to 65535");
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.empty()) return invalid("the address in [] is missing");
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return invalid("an IPv6 address needs brackets");
  }
  address.host = host;
  return std::optional(std::move(address));
}

}  // namespace millrace::cli
