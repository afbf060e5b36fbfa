#include "kubeclient/client/request_path.h"

#include "kubeclient/api/meta.h"
#include "kubeclient/http/loop.h"

namespace millrace::client {
namespace {

/// Source: Kubernetes apimachinery, api/validation/path, IsValidPathSegmentName.
Result<void> check_segment(std::string_view what, const std::string& text) {
  const auto refuse = [&](const char* why) {
    return fail(Code::Invalid, std::string(what) + " \"" + text + "\" " + why);
  };
  if (text.empty()) return refuse("is empty");
  if (text == "." || text == "..") return refuse("is not a name");
  if (text.find_first_of("/%") != std::string::npos) return refuse("holds '/' or '%'");
  return {};
}

}  // namespace

Result<std::string> collection_path(const api::ApiResource& resource, const std::string& ns) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/";
  if (!resource.group.empty()) path.append(resource.group) += '/';
  path += resource.version;
  if (!ns.empty()) {
    MR_TRY(check_segment("namespace", ns));
    if (!resource.namespaced) {
      return fail(Code::Invalid, std::string(resource.plural) + " belong to no namespace, but \"" +
                                     ns + "\" is given");
    }
    path.append("/namespaces/") += http::escape(ns);
  }
  path += '/';
  path += resource.plural;
  return path;
}

Result<std::string> object_path(const api::ApiResource& resource, const ObjectKey& key,
                                const std::string& subresource) {
  if (resource.namespaced && key.ns.empty()) {
    return fail(Code::Invalid,
                std::string(resource.plural) + " \"" + key.name + "\": the namespace is missing");
  }
  MR_TRY(check_segment("name", key.name));
  MR_ASSIGN(std::string path, collection_path(resource, key.ns));
  path += '/';
  path += http::escape(key.name);
  if (!subresource.empty()) {
    MR_TRY(check_segment("subresource", subresource));
    path.append("/") += http::escape(subresource);
  }
  return path;
}

Query& Query::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  text_ += text_.empty() ? '?' : '&';
  text_ += name;
  text_ += '=';
  text_ += http::escape(value);
  return *this;
}

}  // namespace millrace::client
