#include "local/apiserver/first_objects.h"

#include <utility>

#include "kubeclient/base/log.h"
#include "local/apiserver/writes.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr const char* kNamespaces[] = {"default", "kube-node-lease", "kube-public", "kube-system",
                                       "millrace-system"};
constexpr const char* kManager = "millrace-local";

void make(Context& context, std::string_view plural, std::string_view kind, const std::string& ns,
          const std::string& name) {
  Target target;
  target.kind = schema::find_kind("", "v1", plural);
  if (target.kind == nullptr) return;
  target.ns = ns;
  WriteOptions options;
  options.manager = kManager;
  Value object = Value::object(
      {{"kind", kind}, {"apiVersion", "v1"}, {"metadata", Value::object({{"name", name}})}});
  const auto made = create_object(context, target, std::move(object), options, Tracking::Needed);
  if (!made && made.error().reason != "AlreadyExists" && made.error().code != 404) {
    context.log.error(
        "cannot make an object that every cluster has",
        {kv("kind", kind), kv("object", ObjectKey{ns, name}), kv("error", made.error().message)});
  }
}

}  // namespace

void make_service_account(Context& context, const std::string& ns) {
  auto record = context.storage.get({"serviceaccounts", ns, "default"});
  if (record.ok() && *record == nullptr) {
    make(context, "serviceaccounts", "ServiceAccount", ns, "default");
  }
}

void make_first_objects(Context& context) {
  for (const char* name : kNamespaces) {
    auto record = context.storage.get({"namespaces", "", name});
    if (record.ok() && *record == nullptr) make(context, "namespaces", "Namespace", "", name);
  }
  auto namespaces = context.storage.list("namespaces", "", nullptr, 0, 0);
  if (!namespaces.ok()) return;
  for (const auto& record : namespaces->records) make_service_account(context, record->key.name);
}

}  // namespace millrace::apiserver
