#include "kubeclient/client/request.h"

#include "kubeclient/api/meta.h"
#include "kubeclient/client/request_path.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/http/loop.h"

namespace millrace::client {
namespace {

using http::Method;

const char* content_type_of(PatchType type) {
  switch (type) {
    case PatchType::Merge:
      return "application/merge-patch+json";
    case PatchType::Json:
      return "application/json-patch+json";
    case PatchType::Apply:
      return "application/apply-patch+yaml";
  }
  return "";
}

std::string_view name_of(Propagation propagation) {
  switch (propagation) {
    case Propagation::Background:
      return "Background";
    case Propagation::Foreground:
      return "Foreground";
    case Propagation::Orphan:
      return "Orphan";
  }
  return "";
}

/// In the body, not in the query: the server takes preconditions from here only.
std::string delete_body(const DeleteOptions& del, bool dry_run) {
  using codec::Value;
  Value body = Value::object({{"kind", "DeleteOptions"},
                              {"apiVersion", "v1"},
                              {"propagationPolicy", name_of(del.propagation)}});
  if (!del.uid.empty()) body["preconditions"]["uid"] = del.uid;
  if (!del.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = del.resource_version;
  }
  if (del.grace_seconds) body["gracePeriodSeconds"] = *del.grace_seconds;
  if (dry_run) body["dryRun"] = Value::array({"All"});
  return body.dump();
}

std::string_view yes(bool given) { return given ? "true" : ""; }

std::string number(const std::optional<std::int64_t>& given) {
  return given ? std::to_string(*given) : std::string();
}

Query dry_run_query(const CallOptions& options) {
  Query query;
  query.add("dryRun", options.dry_run ? "All" : "");
  return query;
}

}  // namespace

bool Operation::is_read() const { return method == Method::Get; }

std::string_view Operation::method_name() const { return http::to_string(method); }

std::string Operation::what(std::string_view server) const {
  std::string out(method_name());
  out += ' ';
  out += server;
  out.append(path, 0, path.find('?'));
  return out;
}

Result<Operation> get_request(const api::ApiResource& resource, const ObjectKey& key) {
  MR_ASSIGN(auto path, object_path(resource, key));
  return Operation{
      .verb = "get", .resource = std::string(resource.plural), .path = std::move(path)};
}

Result<Operation> list_request(const api::ApiResource& resource, const std::string& ns,
                               const ListOptions& list) {
  MR_ASSIGN(auto path, collection_path(resource, ns));
  Query query;
  query.add("labelSelector", list.label_selector)
      .add("fieldSelector", list.field_selector)
      .add("limit", list.limit > 0 ? std::to_string(list.limit) : "")
      .add("continue", list.continue_token)
      .add("resourceVersion", list.resource_version)
      .add("resourceVersionMatch", list.resource_version_match);
  return Operation{.verb = "list",
                   .resource = std::string(resource.plural),
                   .path = std::move(path) + query.text()};
}

Result<Operation> watch_request(const api::ApiResource& resource, const std::string& ns,
                                const WatchOptions& watch) {
  MR_ASSIGN(auto path, collection_path(resource, ns));
  Query query;
  query.add("watch", "1")
      .add("allowWatchBookmarks", yes(watch.bookmarks))
      .add("labelSelector", watch.label_selector)
      .add("fieldSelector", watch.field_selector)
      .add("resourceVersion", watch.resource_version)
      .add("timeoutSeconds",
           watch.timeout.count() > 0 ? std::to_string(watch.timeout.count()) : "");
  if (watch.send_initial_events) {
    query.add("sendInitialEvents", "true").add("resourceVersionMatch", "NotOlderThan");
  }
  return Operation{.verb = "watch",
                   .resource = std::string(resource.plural),
                   .path = std::move(path) + query.text()};
}

Result<Operation> create_request(const api::ApiResource& resource, const std::string& ns,
                                 std::string_view body, const CallOptions& options) {
  if (resource.namespaced && ns.empty()) {
    return fail(Code::Invalid,
                "creating " + std::string(resource.plural) + ": the namespace is missing");
  }
  MR_ASSIGN(auto path, collection_path(resource, ns));
  return Operation{.verb = "create",
                   .resource = std::string(resource.plural),
                   .method = Method::Post,
                   .path = std::move(path) + dry_run_query(options).text(),
                   .body = std::string(body)};
}

Result<Operation> replace_request(const api::ApiResource& resource, const ObjectKey& key,
                                  std::string_view body, const std::string& subresource,
                                  const CallOptions& options) {
  MR_ASSIGN(auto path, object_path(resource, key, subresource));
  return Operation{.verb = "update",
                   .resource = std::string(resource.plural),
                   .method = Method::Put,
                   .path = std::move(path) + dry_run_query(options).text(),
                   .body = std::string(body)};
}

Result<Operation> patch_request(const api::ApiResource& resource, const ObjectKey& key,
                                PatchType type, std::string_view body, const PatchOptions& patch,
                                const CallOptions& options) {
  MR_ASSIGN(auto path, object_path(resource, key, patch.subresource));
  const bool apply = type == PatchType::Apply;
  if (apply && patch.field_manager.empty()) {
    return fail(Code::Invalid, "applying " + key.str() + ": the field manager is missing");
  }
  Query query = dry_run_query(options);
  query.add("fieldManager", patch.field_manager).add("force", yes(apply && patch.force));
  return Operation{.verb = apply ? "apply" : "patch",
                   .resource = std::string(resource.plural),
                   .method = Method::Patch,
                   .path = std::move(path) + query.text(),
                   .body = std::string(body),
                   .content_type = content_type_of(type)};
}

Result<Operation> delete_request(const api::ApiResource& resource, const ObjectKey& key,
                                 const DeleteOptions& del, const CallOptions& options) {
  MR_ASSIGN(auto path, object_path(resource, key));
  return Operation{.verb = "delete",
                   .resource = std::string(resource.plural),
                   .method = Method::Delete,
                   .path = std::move(path),
                   .body = delete_body(del, options.dry_run)};
}

Result<Operation> log_request(const ObjectKey& pod, const LogOptions& log) {
  static constexpr api::ApiResource kPods{"", "v1", "pods", "Pod", true};
  MR_ASSIGN(auto path, object_path(kPods, pod, "log"));
  Query query;
  query.add("container", log.container)
      .add("follow", yes(log.follow))
      .add("previous", yes(log.previous))
      .add("timestamps", yes(log.timestamps))
      .add("tailLines", number(log.tail_lines))
      .add("limitBytes", number(log.limit_bytes))
      .add("sinceSeconds", number(log.since_seconds));
  return Operation{.verb = "get",
                   .resource = "pods/log",
                   .path = std::move(path) + query.text(),
                   .accept = "*/*"};
}

Result<Operation> raw_request(std::string_view path) {
  if (!path.starts_with('/')) {
    return fail(Code::Invalid, "path \"" + std::string(path) + "\" must begin with '/'");
  }
  return Operation{.verb = "get", .path = std::string(path)};
}

}  // namespace millrace::client
