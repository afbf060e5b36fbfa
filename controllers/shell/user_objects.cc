#include "controllers/shell/user_objects.h"

#include "controllers/logic/labels.h"

namespace millrace::shell {

using codec::Value;

namespace {

client::CallOptions options_as(const std::string& ns, const std::string& service_account,
                               client::CallOptions options) {
  options.as.user = "system:serviceaccount:" + ns + ":" + service_account;
  // No groups: the API server adds those of service accounts itself, and naming them would need
  // the right to impersonate groups.
  return options;
}

const std::string& text_of(const Value& object, std::string_view key) {
  static const std::string none;
  const Value* value = object.find(key);
  return value == nullptr ? none : value->as_string();
}

}  // namespace

Result<std::shared_ptr<const UserObjects::Known>> UserObjects::find(const std::string& api_version,
                                                                    const std::string& kind,
                                                                    const std::stop_token& stop) {
  const std::string name = api_version + " " + kind;
  {
    const auto known = known_.lock();
    const auto it = known->find(name);
    if (it != known->end()) return it->second;
  }
  const std::size_t slash = api_version.find('/');
  Known found;
  found.group = slash == std::string::npos ? "" : api_version.substr(0, slash);
  found.version = slash == std::string::npos ? api_version : api_version.substr(slash + 1);
  found.kind = kind;
  client::CallOptions options;
  options.stop = stop;
  const std::string path = (found.group.empty() ? "/api/" : "/apis/") + api_version;
  const auto text = reader_.raw_get(path, options);
  if (!text.ok() && text.error().code != Code::NotFound) return fail(Error(text.error()));
  const Result<Value> list = text.ok() ? Value::parse(*text) : Value::object();
  if (!list.ok()) return fail(Error(list.error()));
  const Value* resources = list->find("resources");
  if (resources != nullptr) {
    for (const Value& resource : resources->items()) {
      const std::string& plural = text_of(resource, "name");
      if (text_of(resource, "kind") != kind || plural.find('/') != std::string::npos) continue;
      found.plural = plural;
      const Value* namespaced = resource.find("namespaced");
      found.namespaced = namespaced == nullptr || namespaced->as_bool();
    }
  }
  if (found.plural.empty()) {
    Error error{};
    error.code = Code::Invalid;
    error.message = "the API server has no " + kind + " in " + api_version;
    return fail(std::move(error));
  }
  auto shared = std::make_shared<const Known>(std::move(found));
  known_.lock()->emplace(name, shared);
  return shared;
}

logic::ObjectState UserObjects::look(const logic::ObjectRef& ref, const std::stop_token& stop) {
  logic::ObjectState state;
  const auto known = find(ref.api_version, ref.kind, stop);
  if (!known.ok()) {
    state.error = known.error();
    return state;
  }
  const ObjectKey key = (*known)->namespaced ? ref.key : ObjectKey{"", ref.key.name};
  const auto text = reader_.get_text((*known)->resource(), key,
                                     options_as(ref.run_ns, ref.service_account, {.stop = stop}));
  if (text.ok()) {
    auto object = Value::parse(*text);
    if (object.ok()) {
      state.object = *std::move(object);
    } else {
      state.error = object.error();
    }
  } else if (text.error().code != Code::NotFound) {
    state.error = text.error();
  }
  return state;
}

Result<void> UserObjects::apply(const logic::Action& action, const std::stop_token& stop) {
  return apply(action, client::CallOptions{.stop = stop});
}

Result<void> UserObjects::apply(const logic::Action& action, client::CallOptions options) {
  const std::string& api_version = text_of(action.body, "apiVersion");
  MR_ASSIGN(const auto known, find(api_version, text_of(action.body, "kind"), options.stop));
  client::PatchOptions patch;
  patch.field_manager = std::string(logic::kFieldManager) + "-run";
  patch.force = true;
  const bool namespaced = known->namespaced;
  Value body = action.body;
  if (!namespaced) {
    if (Value* metadata = body.find("metadata")) {
      metadata->erase("namespace");
      metadata->erase("ownerReferences");  // an owner in a namespace cannot own it
    }
  }
  const ObjectKey key = namespaced ? action.key : ObjectKey{"", action.key.name};
  MR_TRY(writer_.patch_text(
      known->resource(), key, client::PatchType::Apply, body.dump(), patch,
      options_as(action.account_ns, action.service_account, std::move(options))));
  return {};
}

}  // namespace millrace::shell
