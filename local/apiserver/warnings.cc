#include "local/apiserver/warnings.h"

#include <algorithm>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using Warnings = std::vector<std::string>;

bool is(const schema::Kind& kind, std::string_view group, std::string_view plural) {
  return kind.resource.group == group && kind.resource.plural == plural;
}

void warn_of_name(Warnings& out, const Value& object, std::string_view used_in) {
  const auto complaints = dns_label_complaints(text_at(object, {"metadata", "name"}));
  if (complaints.empty()) return;
  std::string all;
  for (const std::string& text : complaints) all += (all.empty() ? "" : " ") + text;
  out.push_back("metadata.name: this is used in " + std::string(used_in) +
                ", which can result in surprising behavior; a DNS label is recommended: [" + all +
                "]");
}

/// Thousandths of a byte, which somebody wrote who thought of mega.
void warn_of_amounts(Warnings& out, const Value& container, const std::string& path) {
  for (const char* list : {"limits", "requests"}) {
    const Value* amounts = container.at_path({"resources", list});
    if (amounts == nullptr || !amounts->is_object()) continue;
    for (const char* resource : {"memory", "ephemeral-storage"}) {
      const std::string amount = text_at(*amounts, {resource});
      if (!amount.ends_with('m')) continue;
      out.push_back(path + ".resources." + list + "[" + resource + "]: fractional byte value " +
                    json_quote(amount) + " is invalid, must be an integer");
    }
  }
}

void warn_of_pod_spec(Warnings& out, const Value* spec, const std::string& path) {
  if (spec == nullptr) return;
  for (const char* list : {"initContainers", "containers"}) {
    const Value* containers = spec->find(list);
    if (containers == nullptr) continue;
    std::size_t index = 0;
    for (const Value& container : containers->items()) {
      warn_of_amounts(out, container, path + "." + list + "[" + std::to_string(index++) + "]");
    }
  }
}

void warn_of_service(Warnings& out, const Value& service) {
  const bool headless = text_at(service, {"spec", "clusterIP"}) == "None";
  const std::string affinity = text_at(service, {"spec", "sessionAffinity"});
  if (headless && !affinity.empty() && affinity != "None") {
    out.emplace_back("spec.SessionAffinity is ignored for headless services");
  }
}

bool is_standard(std::string_view finalizer) {
  return finalizer == "orphan" || finalizer == "foregroundDeletion" || finalizer == "kubernetes";
}

/// Of names that are new: those of built-in kinds are refused instead.
void warn_of_finalizers(Warnings& out, const Value& object, const Value* old) {
  const Value* names = object.at_path({"metadata", "finalizers"});
  const Value* before = old == nullptr ? nullptr : old->at_path({"metadata", "finalizers"});
  if (names == nullptr) return;
  for (const Value& name : names->items()) {
    const std::string& text = name.as_string();
    if (text.find('/') != std::string::npos || is_standard(text)) {
      continue;
    }
    if (before != nullptr &&
        std::find(before->items().begin(), before->items().end(), name) != before->items().end()) {
      continue;
    }
    out.push_back("metadata.finalizers: " + json_quote(text) +
                  ": prefer a domain-qualified finalizer name to avoid accidental conflicts with "
                  "other finalizer writers");
  }
}

}  // namespace

Warnings write_warnings(const Value& object, const Value* old, const schema::Kind& kind) {
  Warnings out;
  if (kind.custom) warn_of_finalizers(out, object, old);
  if (is(kind, "", "services")) warn_of_service(out, object);
  if (old != nullptr) return out;
  if (is(kind, "", "pods")) {
    warn_of_name(out, object, "the Pod's hostname");
    warn_of_pod_spec(out, object.find("spec"), "spec");
  }
  if (is(kind, "batch", "jobs")) warn_of_name(out, object, "Pod names and hostnames");
  if (is(kind, "batch", "jobs") || is(kind, "apps", "deployments")) {
    warn_of_pod_spec(out, object.at_path({"spec", "template", "spec"}), "spec.template.spec");
  }
  return out;
}

void merge_owners(Value& object, Sent sent, Warnings& warnings) {
  Value* owners = object.find("metadata");
  owners = owners == nullptr ? nullptr : owners->find("ownerReferences");
  if (owners == nullptr || !owners->is_array() || owners->items().size() < 2) return;
  Value::Array kept;
  std::string repeated;
  for (Value& owner : owners->items()) {
    if (std::find(kept.begin(), kept.end(), owner) == kept.end()) {
      kept.push_back(std::move(owner));
    } else {
      repeated += (repeated.empty() ? "" : ", ") + text_at(owner, {"uid"});
    }
  }
  owners->items() = std::move(kept);
  if (repeated.empty()) return;
  warnings.push_back(
      ".metadata.ownerReferences contains duplicate entries" +
      std::string(sent == Sent::AsPatch ? " after mutating admission happens" : "") +
      "; API server dedups owner references in 1.20+, and may reject such requests as early as "
      "1.24; please fix your requests; duplicate UID(s) observed: " +
      repeated);
}

}  // namespace millrace::apiserver
