#include "local/patch/entries.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/patch/typed.h"

namespace millrace::patch {

using codec::Value;

namespace {

// Source: Kubernetes, managedfields/internal/capmanagers.go and fieldmanager.go.
constexpr std::ptrdiff_t kMaxUpdaters = 10;

std::string text_of(const Value& entry, std::string_view key) {
  const Value* found = entry.find(key);
  return found == nullptr ? std::string() : found->as_string();
}

Entry header_of(const Value& entry) {
  Entry out;
  out.manager = text_of(entry, "manager");
  out.operation = text_of(entry, "operation");
  out.api_version = text_of(entry, "apiVersion");
  out.subresource = text_of(entry, "subresource");
  out.time = text_of(entry, "time");
  return out;
}

Entries decode_trusted(Value stored) {
  Entries entries;
  if (!stored.is_array()) return entries;
  entries.reserve(stored.items().size());
  for (Value& item : stored.items()) {
    Entry entry = header_of(item);
    if (Value* fields = item.find("fieldsV1")) entry.set = decode_own(std::move(*fields));
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<Entries> decode_sent(const Value& sent) {
  Entries entries;
  for (const Value& item : sent.items()) {
    Entry entry = header_of(item);
    if (entry.operation != "Apply" && entry.operation != "Update") return std::nullopt;
    const Value* fields = item.find("fieldsV1");
    if (text_of(item, "fieldsType") != "FieldsV1" || entry.api_version.empty()) return std::nullopt;
    if (fields != nullptr && !fields->is_null()) {
      auto set = decode_foreign(*fields);
      if (!set) return std::nullopt;
      entry.set = *std::move(set);
    }
    if (Entry* twice = find_owner(entries, entry)) {
      *twice = std::move(entry);
    } else {
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

/// `[{}]`: the client wants them gone.
bool is_reset(const Value& sent) {
  return sent.is_array() && sent.items().size() == 1 && sent.items()[0].is_object() &&
         sent.items()[0].empty();
}

const FieldSet& path_set(std::string_view which) {
  static const std::map<std::string_view, FieldSet> sets = [] {
    std::map<std::string_view, FieldSet> all;
    const auto add = [&](std::string_view name, const char* fields) {
      auto parsed = Value::parse(fields);
      MR_CHECK(parsed.ok());
      all.emplace(name, decode_own(*std::move(parsed)));
    };
    add("bookkeeping",
        R"({"f:apiVersion":{},"f:kind":{},"f:metadata":{"f:clusterName":{},"f:creationTimestamp":{},
            "f:generation":{},"f:managedFields":{},"f:name":{},"f:namespace":{},
            "f:resourceVersion":{},"f:selfLink":{},"f:uid":{}}})");
    add("status", R"({"f:status":{}})");
    add("spec", R"({"f:spec":{}})");
    add("metadata", R"({"f:metadata":{}})");
    add("Pod", R"({"f:metadata":{"f:deletionTimestamp":{},"f:ownerReferences":{}}})");
    add("Deployment", R"({"f:metadata":{"f:labels":{}}})");
    return all;
  }();
  return sets.at(which);
}

/// Our custom kinds have a group of their own; those of Kubernetes have none, a plain word or one
/// below k8s.io.
}  // namespace

bool is_custom(std::string_view api_version) {
  const std::string_view group = api_version.substr(0, api_version.find('/'));
  return api_version.find('/') != std::string_view::npos &&
         group.find('.') != std::string_view::npos && !group.ends_with(".k8s.io");
}

bool same_owner(const Entry& a, const Entry& b) {
  return a.manager == b.manager && a.operation == b.operation && a.subresource == b.subresource &&
         (a.operation == "Apply" || a.api_version == b.api_version);
}

Entry* find_owner(Entries& entries, const Entry& owner) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& e) { return same_owner(e, owner); });
  return found == entries.end() ? nullptr : &*found;
}

Entries take_entries(Value& object, const Value* before, std::string_view subresource) {
  static const Value none;
  Value sent;
  if (Value* metadata = object.find("metadata"); metadata != nullptr && metadata->is_object()) {
    if (Value* fields = metadata->find("managedFields")) {
      sent = std::move(*fields);
      metadata->erase("managedFields");
    }
  }
  const Value* found = before == nullptr ? nullptr : before->at_path({"metadata", "managedFields"});
  const Value& stored = found == nullptr ? none : *found;
  if (subresource.empty()) {
    if (is_reset(sent)) return {};
    if (!sent.empty() && sent.is_array()) {
      if (sent == stored) return decode_trusted(std::move(sent));  // spares a copy
      auto entries = decode_sent(sent);
      if (entries) return *std::move(entries);
    }
  }
  return decode_trusted(stored);
}

void store_entries(Value& object, Entries entries) {
  Value* metadata = object.find("metadata");
  if (metadata != nullptr && !metadata->is_object()) return;
  if (entries.empty()) {
    if (metadata != nullptr) metadata->erase("managedFields");
    return;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.operation, a.time, a.manager, a.api_version, a.subresource) <
           std::tie(b.operation, b.time, b.manager, b.api_version, b.subresource);
  });
  Value::Array out;
  out.reserve(entries.size());
  for (Entry& entry : entries) {
    Value::Object item;
    item.reserve(7);
    item.emplace_back("manager", std::move(entry.manager));
    item.emplace_back("operation", std::move(entry.operation));
    item.emplace_back("apiVersion", std::move(entry.api_version));
    if (!entry.time.empty()) item.emplace_back("time", std::move(entry.time));
    item.emplace_back("fieldsType", "FieldsV1");
    item.emplace_back("fieldsV1", encode(std::move(entry.set)));
    if (!entry.subresource.empty()) item.emplace_back("subresource", std::move(entry.subresource));
    out.emplace_back(std::move(item));
  }
  object["metadata"]["managedFields"] = Value(std::move(out));
}

void drop_empty(Entries& entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.set.empty(); });
}

void cap_updaters(Entries& entries) {
  const auto updater = [](const Entry& entry) { return entry.operation == "Update"; };
  auto count = std::count_if(entries.begin(), entries.end(), updater);
  if (count <= kMaxUpdaters) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.time, a.manager, a.api_version, a.subresource) <
           std::tie(b.time, b.manager, b.api_version, b.subresource);
  });
  // The first of each API version becomes the bucket once a second one has to go into it.
  std::map<std::string, std::size_t> buckets;
  for (std::size_t i = 0; i < entries.size() && count > kMaxUpdaters; ++i) {
    if (!updater(entries[i])) continue;
    const auto [bucket, fresh] = buckets.emplace(entries[i].api_version, i);
    if (fresh) continue;
    Entry& into = entries[bucket->second];
    into.manager = "ancient-changes";
    into.subresource.clear();
    unite(into.set, entries[i].set);
    into.time = entries[i].time;
    entries[i].set = FieldSet();
    --count;
  }
  drop_empty(entries);
}

namespace {

/// Everything that can be ignored, made once: a write compares against one of these.
struct Ignored {
  FieldSet reset;
  FieldSet all;
};

const Ignored& ignored_of(const Value& object, const schema::Type& type, const Manager& manager) {
  enum Place { Nothing, Main, Status, StatusCustom, StatusPod, StatusDeployment, Count };
  static const std::vector<Ignored> places = [] {
    std::vector<Ignored> all(Count);
    all[Main].reset = path_set("status");
    for (const Place place : {Status, StatusCustom, StatusPod, StatusDeployment}) {
      all[place].reset = path_set("spec");
    }
    unite(all[StatusCustom].reset, path_set("metadata"));
    unite(all[StatusPod].reset, path_set("Pod"));
    unite(all[StatusDeployment].reset, path_set("Deployment"));
    for (Ignored& ignored : all) {
      ignored.all = ignored.reset;
      unite(ignored.all, path_set("bookkeeping"));
    }
    return all;
  }();
  if (manager.subresource.empty()) return places[type.find("status") == nullptr ? Nothing : Main];
  if (manager.subresource != "status") return places[Nothing];
  if (is_custom(manager.api_version)) return places[StatusCustom];
  const Value* kind = object.find("kind");
  if (kind != nullptr && kind->as_string() == "Pod") return places[StatusPod];
  if (kind != nullptr && kind->as_string() == "Deployment") return places[StatusDeployment];
  return places[Status];
}

}  // namespace

const FieldSet& reset_fields(const Value& object, const schema::Type& type,
                             const Manager& manager) {
  return ignored_of(object, type, manager).reset;
}

void strip_bookkeeping(FieldSet& set) {
  subtract(set, path_set("bookkeeping"));
  for (auto& child : set.children) {
    if (child.element == "f:metadata") child.set.member = false;
  }
  std::erase_if(set.children, [](const auto& child) { return child.set.empty(); });
}

const FieldSet& ignored_fields(const Value& object, const schema::Type& type,
                               const Manager& manager) {
  return ignored_of(object, type, manager).all;
}

const Value& blank_object(const Value& object) {
  static const std::map<std::string, Value> blanks = [] {
    std::map<std::string, Value> all;
    const auto add = [&](const char* kind, const char* text) {
      auto parsed = Value::parse(text);
      MR_CHECK(parsed.ok());
      all.emplace(kind, *std::move(parsed));
    };
    add("v1 Pod", R"({"metadata":{},"spec":{"containers":null},"status":{}})");
    add("v1 Service", R"({"metadata":{},"spec":{},"status":{"loadBalancer":{}}})");
    add("v1 Namespace", R"({"metadata":{},"spec":{},"status":{}})");
    add("v1 Node", R"({"metadata":{},"spec":{},"status":{}})");
    add("v1 Event",
        R"({"metadata":{},"involvedObject":{},"source":{},"firstTimestamp":null,
            "lastTimestamp":null,"eventTime":null,"reportingComponent":"",
            "reportingInstance":""})");
    add("apps/v1 Deployment",
        R"({"metadata":{},"spec":{"selector":null,"strategy":{},
            "template":{"metadata":{},"spec":{"containers":null}}},"status":{}})");
    add("batch/v1 Job",
        R"({"metadata":{},"spec":{"template":{"metadata":{},"spec":{"containers":null}}},
            "status":{}})");
    add("coordination.k8s.io/v1 Lease", R"({"metadata":{},"spec":{}})");
    add("apps/v1 ControllerRevision", R"({"metadata":{},"data":null,"revision":0})");
    return all;
  }();
  static const Value plain = Value::object({{"metadata", Value::object()}});
  const Value* version = object.find("apiVersion");
  const Value* kind = object.find("kind");
  if (version == nullptr || kind == nullptr) return plain;
  const auto found = blanks.find(version->as_string() + " " + kind->as_string());
  return found == blanks.end() ? plain : found->second;
}

Entry owner_of(const Manager& manager, std::string_view operation) {
  Entry owner;
  owner.manager = manager.name.empty() ? "unknown" : manager.name;
  owner.operation = operation;
  owner.api_version = manager.api_version;
  owner.subresource = manager.subresource;
  return owner;
}

bool track(Entries& entries, const Value& before, const Value& now, const schema::Type& type,
           const Manager& manager, Time time) {
  Difference difference = compare(before, now, type, ignored_fields(now, type, manager));
  if (difference.changed.empty() && difference.removed.empty()) return false;
  Entry owner = owner_of(manager, "Update");
  for (Entry& entry : entries) {
    if (!same_owner(entry, owner)) subtract(entry.set, difference.changed);
    subtract(entry.set, difference.removed);
  }
  strip_bookkeeping(difference.changed);
  if (!difference.changed.empty()) {
    Entry* own = find_owner(entries, owner);
    if (own == nullptr) own = &entries.emplace_back(std::move(owner));
    unite(own->set, difference.changed);
    own->time = format_time(time);
  }
  drop_empty(entries);
  cap_updaters(entries);
  return true;
}

}  // namespace millrace::patch
