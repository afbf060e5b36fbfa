/// Settings of the HTTP calls that steps make: key `http` of the configuration file.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/codec/describe.h"

namespace millrace::logic {

/// Where calls may go and how. Meaning of the rules: kubeclient/http/outbound_policy.h.
struct HttpConfig {
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::string proxy;
  std::vector<std::string> no_proxy;
  int max_concurrent = 2000;

  bool operator==(const HttpConfig&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("allow", self.allow,
            {.doc = "Targets of HTTP steps that are allowed although they are refused by default "
                    "(loopback, link-local, unspecified, multicast and reserved addresses, the "
                    "metadata services of clouds, the API server): addresses, CIDR ranges, host "
                    "names, `*.domain`. The API server is let in by its own address or name only, "
                    "not by a range.",
             .max_items = 256});
    v.field("deny", self.deny,
            {.doc = "Targets that are refused, whatever `allow` says; written as in `allow`.",
             .max_items = 256});
    v.field("proxy", self.proxy,
            {.doc = "Proxy for HTTP steps: `http://`, `https://`, `socks5://` or `socks5h://` URL. "
                    "Behind it names are resolved by the proxy, and rules about addresses hold for "
                    "targets that are written as addresses only.",
             .max_length = 2048});
    v.field("noProxy", self.no_proxy,
            {.doc = "Targets reached without the proxy: host names (with their subdomains), "
                    "addresses, CIDR ranges, or `*`.",
             .max_items = 256});
    v.field("maxConcurrent", self.max_concurrent,
            {.doc = "Most calls under way at once; more wait their turn.",
             .min = 1,
             .max = 20000,
             .default_json = "2000"});
  }
};

}  // namespace millrace::logic
