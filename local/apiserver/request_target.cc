#include "local/apiserver/request_target.h"

#include <utility>
#include <vector>

namespace millrace::apiserver {
namespace {

constexpr std::size_t kMostParts = 10;  ///< more than any path of the API has

/// The parts between slashes; one slash at the end does not count.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  while (parts.size() <= kMostParts) {
    const std::size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

bool has_subresource(const schema::Kind& kind, std::string_view name) {
  if (name == "status") return kind.status;
  const auto& r = kind.resource;
  if (name == "log") return kind.log;
  if (name == "finalize") return r.group.empty() && r.plural == "namespaces";
  if (name == "scale") return kind.scale;
  return false;
}

}  // namespace

Answer<Target> parse_target(std::string_view path) {
  const std::vector<std::string_view> parts = split(path);
  const auto part = [&](std::size_t i) { return i < parts.size() ? parts[i] : std::string_view(); };
  if (parts.size() > kMostParts) return no_such_resource();
  std::string_view group;
  std::string_view version;
  std::size_t at = 2;
  if (part(0) == "api") {
    version = part(1);
  } else if (part(0) == "apis") {
    group = part(1);
    version = part(2);
    at = 3;
    if (group.empty()) return no_such_resource();
  } else {
    return no_such_resource();
  }
  Target target;
  if (part(at) == "watch") {
    target.watch = true;
    ++at;
  }
  // "namespaces/NAME/pods" is about pods; "namespaces/NAME" and its subresources are not.
  if (part(at) == "namespaces" && parts.size() > at + 2 &&
      (!group.empty() || !(part(at + 2) == "status" || part(at + 2) == "finalize"))) {
    target.ns = part(at + 1);
    at += 2;
    if (target.ns.empty()) return no_such_resource();
  }
  target.kind = schema::find_kind(group, version, part(at));
  if (target.kind == nullptr) return no_such_resource();
  target.name = part(at + 1);
  target.subresource = part(at + 2);
  if (parts.size() > at + 3 || (parts.size() > at + 1 && target.name.empty()) ||
      (parts.size() > at + 2 && !has_subresource(*target.kind, target.subresource))) {
    return no_such_resource();
  }
  const bool namespaced = target.kind->resource.namespaced;
  if (!namespaced && !target.ns.empty()) return no_such_resource();
  if (namespaced && target.ns.empty() && !target.is_collection()) return no_such_resource();
  return target;
}

}  // namespace millrace::apiserver
