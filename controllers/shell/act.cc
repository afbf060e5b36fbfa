#include "controllers/shell/act.h"

#include "controllers/logic/labels.h"
#include "controllers/logic/objects.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace::shell {
namespace {

using Verb = logic::Action::Verb;

client::CallOptions call_options(const std::stop_token& stop) {
  client::CallOptions options;
  options.stop = stop;
  return options;
}

}  // namespace

bool is_refusal(const Error& error) {
  switch (error.code) {
    case Code::Invalid:
    case Code::Denied:
    case Code::AlreadyExists:
    case Code::NotFound:
      return true;
    case Code::Throttled:  // quota or 429
      return true;
    case Code::Unavailable:  // an admission webhook that fails, for example
      return error.http_status >= 500;
    default:
      return false;
  }
}

Result<ActionResult> Actor::observe(const api::ApiResource& resource, const std::string& json) {
  if (auto version = observer_.wrote(resource, json)) return ActionResult{*std::move(version)};
  MR_ASSIGN(const Written written, codec::decode<Written>(json));
  return ActionResult{{written.metadata.resource_version, written.metadata.generation}};
}

Result<ActionResult> Actor::perform(const logic::Action& action, const std::stop_token& stop) {
  const client::CallOptions options = call_options(stop);
  client::PatchOptions patch;
  client::PatchType type = client::PatchType::Merge;
  switch (action.verb) {
    case Verb::Create:
      return create(action, options);
    case Verb::Delete:
      return remove(action, options);
    case Verb::MergePatch:
      break;
    case Verb::PatchStatus:
      patch.subresource = "status";
      break;
    case Verb::Apply:
      type = client::PatchType::Apply;
      patch.field_manager = std::string(logic::kFieldManager);
      patch.force = true;
      break;
  }
  MR_ASSIGN(const std::string json, writer_.patch_text(action.resource, action.key, type,
                                                       action.body.dump(), patch, options));
  return observe(action.resource, json);
}

Result<ActionResult> Actor::create(const logic::Action& action,
                                   const client::CallOptions& options) {
  auto created = writer_.create_text(action.resource, action.key.ns, action.body.dump(), options);
  if (created.ok()) return observe(action.resource, *created);
  if (created.error().code != Code::AlreadyExists) return fail(std::move(created).error());
  // Ours from a try whose answer got lost, or somebody else's of the same name?
  auto read = reader_.get_text(action.resource, action.key, options);
  // Gone in between: no refusal, the next try will tell.
  if (!read.ok() && read.error().code == Code::NotFound) read.error().code = Code::Conflict;
  MR_ASSIGN(const std::string json, std::move(read));
  MR_ASSIGN(Written written, codec::decode<Written>(json));
  if (!logic::is_controlled_by(written.metadata, action.owner_uid)) {
    return fail(Code::AlreadyExists,
                std::string(action.resource.kind) + " " + action.key.name +
                    " exists and belongs to somebody else; delete or rename it");
  }
  observer_.wrote(action.resource, json);
  const Version version{written.metadata.resource_version, written.metadata.generation};
  return ActionResult{version, true, std::move(written.metadata)};
}

Result<ActionResult> Actor::remove(const logic::Action& action,
                                   const client::CallOptions& options) {
  client::DeleteOptions del;
  del.uid = action.uid;
  del.propagation = action.propagation == logic::Action::Propagation::Foreground
                        ? client::Propagation::Foreground
                        : client::Propagation::Background;
  auto deleted = writer_.delete_text(action.resource, action.key, del, options);
  if (!deleted.ok()) {
    const Code code = deleted.error().code;
    if (code != Code::NotFound && code != Code::Conflict) return fail(std::move(deleted).error());
  }
  return ActionResult{};
}

Result<ActionResult> Actor::write_status(const api::ApiResource& resource, const ObjectKey& key,
                                         const std::string& resource_version,
                                         std::string_view status_json,
                                         const std::stop_token& stop) {
  // The status is ours as a whole: replaced, never merged. A version that has moved on answers 409
  // (measured on Kubernetes 1.34; a "test" operation would answer 422 instead).
  std::string body = R"([{"op":"replace","path":"/metadata/resourceVersion","value":)";
  codec::append_json_string(body, resource_version);
  body += R"(},{"op":"add","path":"/status","value":)";
  body += status_json;
  body += "}]";
  client::PatchOptions patch;
  patch.subresource = "status";
  MR_ASSIGN(const std::string json, writer_.patch_text(resource, key, client::PatchType::Json, body,
                                                       patch, call_options(stop)));
  return observe(resource, json);
}

}  // namespace millrace::shell
