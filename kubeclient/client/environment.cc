#include <unistd.h>

#include <cstdlib>
#include <string>

#include "kubeclient/client/kubeconfig.h"

namespace millrace::client {
namespace {

/// The first of the variables that is set and not empty.
template <class... Names>
std::string first_of(Names... names) {
  for (const char* name : {names...}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

}  // namespace

Environment read_environment() {
  Environment environment;
  environment.home = first_of("HOME");
  environment.kubeconfig = first_of("KUBECONFIG");
  environment.service_host = first_of("KUBERNETES_SERVICE_HOST");
  environment.service_port = first_of("KUBERNETES_SERVICE_PORT");
  environment.https_proxy = first_of("HTTPS_PROXY", "https_proxy");
  environment.http_proxy = first_of("HTTP_PROXY", "http_proxy");
  environment.no_proxy = first_of("NO_PROXY", "no_proxy");
  for (char** entry = environ; *entry != nullptr; ++entry) environment.all.emplace_back(*entry);
  environment.now = SystemClock().now();
  return environment;
}

}  // namespace millrace::client
