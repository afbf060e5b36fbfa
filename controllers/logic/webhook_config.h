/// Settings of the webhook server: key `webhook` of the configuration file.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/codec/describe.h"

namespace millrace::logic {

/// Where senders reach us, and what they may do.
struct WebhookConfig {
  std::string address;
  std::string certificate_file;
  std::string key_file;
  int max_body_bytes = 262144;
  double rate_per_second = 200;
  int burst = 2000;
  double remote_rate_per_second = 0;
  int remote_burst = 200;
  std::string default_namespace;
  std::vector<std::string> callback_hosts;

  bool operator==(const WebhookConfig&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("address", self.address,
            {.doc = "Where webhooks are served: `:PORT`, `ADDRESS:PORT` or `[IPV6]:PORT`. Empty: "
                    "nowhere. `--webhook-address` beats it.",
             .max_length = 256});
    v.field("certificateFile", self.certificate_file,
            {.doc = "PEM file with the server's certificate and its chain. Empty: plain HTTP. Read "
                    "again when it changes.",
             .max_length = 4096});
    v.field("keyFile", self.key_file,
            {.doc = "PEM file with the certificate's key.", .max_length = 4096});
    v.field("maxBodyBytes", self.max_body_bytes,
            {.doc = "Longest body of a webhook. It becomes part of the run, hence at most 1 MiB.",
             .min = 0,
             .max = 1048576,
             .unit = "bytes",
             .default_json = "262144"});
    v.field("ratePerSecond", self.rate_per_second,
            {.doc = "New runs of one pipeline per second, once `burst` is used up; 0: no limit.",
             .min = 0,
             .max = 100000,
             .default_json = "200"});
    v.field("burst", self.burst,
            {.doc = "New runs of one pipeline at once.",
             .min = 1,
             .max = 1000000,
             .default_json = "2000"});
    v.field("remoteRatePerSecond", self.remote_rate_per_second,
            {.doc = "Requests of one IP address (/64 for IPv6) per second; 0: no limit. Behind a "
                    "proxy all requests come from its address.",
             .min = 0,
             .max = 100000,
             .default_json = "0"});
    v.field("remoteBurst", self.remote_burst,
            {.doc = "Requests of one IP address at once.",
             .min = 1,
             .max = 1000000,
             .default_json = "200"});
    v.field("defaultNamespace", self.default_namespace,
            {.doc = "Namespace of the pipelines of `/webhook/NAME`. Empty: the operator's, if it "
                    "has exactly one, else only `/webhook/NAMESPACE/NAME` is served.",
             .max_length = 63});
    v.field("callbackHosts", self.callback_hosts,
            {.doc = "Hosts that an `X-Callback-URL` may name: `host`, `host:port`, `*.domain` or "
                    "`*`. Empty: none, and webhooks that bring one are refused.",
             .max_items = 256});
  }
};

}  // namespace millrace::logic
