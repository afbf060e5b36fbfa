#include "local/schema/kinds.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "crds/custom_resource.h"
#include "local/schema/event_shapes.h"
#include "local/schema/tables.h"
#include "local/schema/type_table.h"

namespace millrace::schema {
namespace {

TypeLibrary& library() {
  static TypeLibrary types = [] {
    TypeLibrary read = read_tables({kMetaTable, kCoreTable, kPodTable, kContainerTable,
                                    kVolumeTable, kNodeTable, kWorkloadTable, kRequestTable});
    add_numbers(read, kNumbersTable);
    return read;
  }();
  return types;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

Column name_column(int priority = 0) {
  return {"Name",   "string", "name", "Name of the object; unique among those of its kind.",
          priority, ""};
}

/// A column of text.
Column text(std::string_view name, std::string_view doc, int priority = 0) {
  return {std::string(name), "string", "", std::string(doc), priority, ""};
}

Column age() { return text("Age", "Time since the object was created."); }

Kind make(const api::ApiResource& resource, std::string_view type_name,
          std::vector<Column> columns) {
  Kind kind;
  kind.resource = resource;
  kind.singular = lower(resource.kind);
  kind.list_kind = std::string(resource.kind) + "List";
  kind.type = &library().get(type_name);
  kind.columns = std::move(columns);
  return kind;
}

std::vector<Column> event_columns() {
  return {text("Last Seen", "Time since it was last seen."),
          text("Type", "Normal or Warning."),
          text("Reason", "Why, as one word."),
          text("Object", "What it is about."),
          text("Subobject", "The part of the object it is about.", 1),
          text("Source", "Who reports it.", 1),
          text("Message", "What happened, for people."),
          text("First Seen", "Time since it was first seen.", 1),
          text("Count", "How often it was seen.", 1),
          name_column(1)};
}

/// What both Jobs and Deployments end with.
void add_template_columns(std::vector<Column>& columns) {
  columns.push_back(text("Containers", "Names of the containers.", 1));
  columns.push_back(text("Images", "Images of the containers.", 1));
  columns.push_back(text("Selector", "Labels by which it finds its pods.", 1));
}

void add_configuration(std::vector<Kind>& all) {
  Kind kind = make({"", "v1", "configmaps", "ConfigMap", true}, "core.v1.ConfigMap",
                   {name_column(), text("Data", "Number of entries."), age()});
  kind.short_names = {"cm"};
  all.push_back(std::move(kind));

  kind = make({"", "v1", "events", "Event", true}, "core.v1.Event", event_columns());
  kind.short_names = {"ev"};
  all.push_back(std::move(kind));

  kind = make({"", "v1", "namespaces", "Namespace", false}, "core.v1.Namespace",
              {name_column(), text("Status", "Active or Terminating."), age()});
  kind.short_names = {"ns"};
  kind.status = true;
  kind.delete_collection = false;
  all.push_back(std::move(kind));
}

void add_nodes_and_pods(std::vector<Kind>& all) {
  Kind kind =
      make({"", "v1", "nodes", "Node", false}, "core.v1.Node",
           {name_column(), text("Status", "Whether it is ready."), text("Roles", "Its roles."),
            age(), text("Version", "Version of its kubelet."),
            text("Internal-IP", "Address inside the cluster.", 1),
            text("External-IP", "Address outside the cluster.", 1),
            text("OS-Image", "Its operating system.", 1), text("Kernel-Version", "Its kernel.", 1),
            text("Container-Runtime", "What runs its containers.", 1)});
  kind.short_names = {"no"};
  kind.status = true;
  all.push_back(std::move(kind));

  kind = make({"", "v1", "pods", "Pod", true}, "core.v1.Pod",
              {name_column(), text("Ready", "Containers that are ready, of all."),
               text("Status", "How it is."), text("Restarts", "Restarts of its containers."), age(),
               text("IP", "Its address.", 1), text("Node", "Where it runs.", 1),
               text("Nominated Node", "Where it may run once others have made room.", 1),
               text("Readiness Gates", "Conditions that must hold, of all asked for.", 1)});
  kind.short_names = {"po"};
  kind.categories = {"all"};
  kind.status = true;
  kind.log = true;
  all.push_back(std::move(kind));
}

void add_rest_of_core(std::vector<Kind>& all) {
  all.push_back(make({"", "v1", "secrets", "Secret", true}, "core.v1.Secret",
                     {name_column(), text("Type", "What kind of secret it is."),
                      text("Data", "Number of entries."), age()}));

  Kind kind = make({"", "v1", "serviceaccounts", "ServiceAccount", true}, "core.v1.ServiceAccount",
                   {name_column(), text("Secrets", "Number of its secrets."), age()});
  kind.short_names = {"sa"};
  all.push_back(std::move(kind));

  kind = make({"", "v1", "services", "Service", true}, "core.v1.Service",
              {name_column(), text("Type", "How it is reached."),
               text("Cluster-IP", "Address inside the cluster."),
               text("External-IP", "Address outside the cluster."), text("Port(s)", "Its ports."),
               age(), text("Selector", "Labels by which it finds its pods.", 1)});
  kind.short_names = {"svc"};
  kind.categories = {"all"};
  kind.status = true;
  all.push_back(std::move(kind));
}

void add_apps(std::vector<Kind>& all) {
  all.push_back(make({"apps", "v1", "controllerrevisions", "ControllerRevision", true},
                     "apps.v1.ControllerRevision",
                     {name_column(), text("Controller", "What it is a revision of."),
                      text("Revision", "Its number."), age()}));
  Kind kind = make({"apps", "v1", "deployments", "Deployment", true}, "apps.v1.Deployment",
                   {name_column(), text("Ready", "Pods that are ready, of those wanted."),
                    text("Up-to-date", "Pods of the newest template."),
                    text("Available", "Pods that have been ready for long enough."), age()});
  add_template_columns(kind.columns);
  kind.short_names = {"deploy"};
  kind.categories = {"all"};
  kind.status = true;
  kind.scale = true;
  all.push_back(std::move(kind));
}

void add_other_groups(std::vector<Kind>& all) {
  Kind kind =
      make({"events.k8s.io", "v1", "events", "Event", true}, "events.v1.Event", event_columns());
  kind.short_names = {"ev"};
  kind.to_stored = &core_event;
  kind.from_stored = &group_event;
  all.push_back(std::move(kind));

  kind = make({"batch", "v1", "jobs", "Job", true}, "batch.v1.Job",
              {name_column(), text("Status", "How it goes."),
               text("Completions", "Pods that succeeded, of those wanted."),
               text("Duration", "From start to end, or until now."), age()});
  add_template_columns(kind.columns);
  kind.categories = {"all"};
  kind.status = true;
  all.push_back(std::move(kind));

  all.push_back(make({"coordination.k8s.io", "v1", "leases", "Lease", true},
                     "coordination.v1.Lease",
                     {name_column(), text("Holder", "Who has it."), age()}));
}

void add_custom_kinds(std::vector<Kind>& all) {
  for (const crds::KindInfo& info : crds::kinds()) {
    Kind kind;
    kind.resource = info.resource;
    kind.singular = lower(info.resource.kind);
    kind.list_kind = std::string(info.resource.kind) + "List";
    kind.short_names = {std::string(info.short_name)};
    kind.categories = {"all"};
    kind.status = true;
    kind.custom = true;
    kind.columns.push_back(name_column());
    for (const crds::PrintColumn& column : info.columns) {
      kind.columns.push_back({std::string(column.name), std::string(column.type), "",
                              std::string(column.doc), column.priority,
                              std::string(column.json_path)});
    }
    kind.type = &add_custom(library().types, info.schema, metadata_type());
    all.push_back(std::move(kind));
  }
}

std::vector<Kind> make_kinds() {
  std::vector<Kind> all;
  add_configuration(all);
  add_nodes_and_pods(all);
  add_rest_of_core(all);
  add_apps(all);
  add_other_groups(all);
  const std::size_t built_in = all.size();
  add_custom_kinds(all);
  std::sort(all.begin() + static_cast<std::ptrdiff_t>(built_in), all.end(),
            [](const Kind& a, const Kind& b) { return a.resource.plural < b.resource.plural; });
  return all;
}

}  // namespace

std::string Kind::storage_name() const {
  if (resource.group.empty() || to_stored != nullptr) return std::string(resource.plural);
  return std::string(resource.plural) + "." + std::string(resource.group);
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = make_kinds();
  return all;
}

const Kind* find_kind(std::string_view group, std::string_view version, std::string_view plural) {
  for (const Kind& kind : kinds()) {
    const api::ApiResource& resource = kind.resource;
    if (resource.plural == plural && resource.group == group && resource.version == version) {
      return &kind;
    }
  }
  return nullptr;
}

const Kind* find_kind_by_name(std::string_view group, std::string_view version,
                              std::string_view kind) {
  for (const Kind& candidate : kinds()) {
    const api::ApiResource& resource = candidate.resource;
    if (resource.kind == kind && resource.group == group && resource.version == version) {
      return &candidate;
    }
  }
  return nullptr;
}

const Type& scale_type() { return library().get("autoscaling.v1.Scale"); }

const Type* wire_type(std::string_view api_version, std::string_view kind) {
  // Each group has DeleteOptions, all the same.
  if (kind == "DeleteOptions") return &library().get("meta.v1.DeleteOptions");
  if (kind == "Scale" && api_version == "autoscaling/v1") return &scale_type();
  if (kind == "SelfSubjectAccessReview" && api_version == "authorization.k8s.io/v1") {
    return &library().get("authorization.v1.SelfSubjectAccessReview");
  }
  if (kind == "SelfSubjectRulesReview" && api_version == "authorization.k8s.io/v1") {
    return &library().get("authorization.v1.SelfSubjectRulesReview");
  }
  if (kind == "SelfSubjectReview" && api_version == "authentication.k8s.io/v1") {
    return &library().get("authentication.v1.SelfSubjectReview");
  }
  for (const Kind& candidate : kinds()) {
    if (!candidate.custom && candidate.resource.kind == kind &&
        candidate.resource.api_version() == api_version) {
      return candidate.type;
    }
  }
  return nullptr;
}

const Type& metadata_type() { return library().get("meta.v1.ObjectMeta"); }

}  // namespace millrace::schema
