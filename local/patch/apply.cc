#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/patch/entries.h"
#include "local/patch/managed_fields.h"
#include "local/patch/typed.h"

namespace millrace::patch {

using codec::Value;

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

std::string text_at(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* found = object.at_path(path);
  return found == nullptr ? std::string() : found->as_string();
}

/// "(ns/name; group/version, Kind=Kind)", of what the body says itself.
std::string describe(const Value& body) {
  std::string version = text_at(body, {"apiVersion"});
  if (version.find('/') == std::string::npos) version = "/" + version;
  return "(" + text_at(body, {"metadata", "namespace"}) + "/" +
         text_at(body, {"metadata", "name"}) + "; " + version +
         ", Kind=" + text_at(body, {"kind"}) + ")";
}

Result<> check_body(const Value& body, const schema::Type& type) {
  const Value* fields = body.at_path({"metadata", "managedFields"});
  if (fields != nullptr && !fields->is_null()) {
    return fail(Code::Malformed, "metadata.managedFields must be nil");
  }
  const std::string problems = typed_problems(body, type);
  if (problems.empty()) return {};
  // The API server has no better status for these.
  Error error;
  error.code = Code::Invalid;
  error.http_status = 500;
  error.message = "failed to create typed patch object " + describe(body) + ": " + problems;
  return fail(std::move(error));
}

/// `merged` without what the applier owned last time and applies no more, unless somebody else
/// owns it. Source: Kubernetes, structured-merge-diff, merge/update.go, prune.
Value prune(const Value& merged, const Entries& entries, const FieldSet& last,
            const schema::Type& type) {
  const FieldSet last_named = with_named(last, type);
  const Value pruned = without(merged, last_named, type);
  FieldSet all;
  for (const Entry& entry : entries) unite(all, entry.set);
  const FieldSet merged_set = with_named(field_set(merged, type), type);
  // Put back what has an owner.
  FieldSet keep = with_named(field_set(pruned, type), type);
  unite(keep, with_named(all, type));
  FieldSet gone = merged_set;
  subtract(gone, keep);
  const Value owned = without(merged, gone, type);
  // Put back what hung below a removed item but was never the applier's.
  gone = merged_set;
  subtract(gone, with_named(field_set(owned, type), type));
  return without(merged, intersection(gone, last_named), type);
}

/// The manager as messages name it.
std::string print(const Entry& entry) {
  std::string text = Value(entry.manager).dump();
  if (!entry.subresource.empty()) {
    text += " with subresource " + Value(entry.subresource).dump();
  }
  if (entry.operation == "Update") text += " using " + entry.api_version;
  return text;
}

/// What the client-side apply of kubectl set and nobody changed since: kubectl's server-side apply
/// takes it over without a conflict.
FieldSet last_applied(const Value& live, const schema::Type& type) {
  const Value* metadata = live.find("metadata");
  const Value* annotations = metadata == nullptr ? nullptr : metadata->find("annotations");
  const Value* text = annotations == nullptr ? nullptr : annotations->find(kLastApplied);
  if (text == nullptr) return {};
  const auto parsed = Value::parse(text->as_string());
  if (!parsed.ok() || !parsed->is_object() || !typed_problems(*parsed, type).empty()) return {};
  if (text_at(*parsed, {"apiVersion"}) != text_at(live, {"apiVersion"})) return {};
  FieldSet set = field_set(*parsed, type);
  const Difference difference = compare(live, *parsed, type, FieldSet());
  subtract(set, difference.changed);
  subtract(set, difference.removed);
  return set;
}

Value with_sorted_keys(Value value) {
  if (value.is_object()) {
    auto& members = value.members();
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [key, member] : members) member = with_sorted_keys(std::move(member));
  } else if (value.is_array()) {
    for (Value& item : value.items()) item = with_sorted_keys(std::move(item));
  }
  return value;
}

/// Keep the annotation of client-side apply up to date, so that one can go back to it.
void sync_last_applied(Value& object, const Value& body) {
  Value* metadata = object.find("metadata");
  Value* annotations = metadata == nullptr ? nullptr : metadata->find("annotations");
  Value* text = annotations == nullptr ? nullptr : annotations->find(kLastApplied);
  if (text == nullptr || text->as_string().empty()) return;
  Value applied = body;
  if (Value* meta = applied.find("metadata"); meta != nullptr && meta->is_object()) {
    if (Value* notes = meta->find("annotations"); notes != nullptr && notes->is_object()) {
      notes->erase(kLastApplied);
      if (notes->empty()) meta->erase("annotations");
    }
  }
  *text = Value(with_sorted_keys(std::move(applied)).dump() + "\n");
}

/// What a client cannot set stays as it is, also when the body has a null there.
void keep_bookkeeping(Value& object, const Value& live) {
  Value* metadata = object.find("metadata");
  const Value* old = live.find("metadata");
  if (metadata == nullptr || !metadata->is_object() || old == nullptr) return;
  for (const char* name : {"creationTimestamp", "generation", "selfLink", "deletionTimestamp",
                           "deletionGracePeriodSeconds"}) {
    const Value* kept = old->find(name);
    if (kept == nullptr) {
      metadata->erase(name);
    } else {
      (*metadata)[name] = *kept;
    }
  }
  for (const char* name : {"uid", "resourceVersion"}) {
    const Value* given = metadata->find(name);
    const Value* kept = old->find(name);
    if (given != nullptr && given->is_null() && kept != nullptr) (*metadata)[name] = *kept;
  }
}

/// One apply on its way.
struct Application {
  const schema::Type& type;
  const Manager& manager;
  Entry owner;
  FieldSet ignored;
  FieldSet allowed;  ///< conflicts that are none
  bool force;

  /// Takes what conflicts away from the others; gives the conflicts that stop it.
  std::vector<ApplyConflict> settle(Entries& entries, const Difference& difference) const {
    std::vector<std::pair<const Entry*, FieldSet>> conflicts;
    bool stops = false;
    for (const Entry& entry : entries) {
      if (same_owner(entry, owner)) continue;
      FieldSet conflict = intersection(entry.set, difference.changed);
      if (conflict.empty()) continue;
      subtract(conflict, allowed);
      stops = stops || !conflict.empty();
      if (!conflict.empty()) conflicts.emplace_back(&entry, std::move(conflict));
    }
    if (stops && !force) {
      std::sort(conflicts.begin(), conflicts.end(), [](const auto& a, const auto& b) {
        const auto key = [](const Entry& e) {
          return std::tie(e.manager, e.operation, e.api_version, e.subresource);
        };
        return key(*a.first) < key(*b.first);
      });
      std::vector<ApplyConflict> list;
      for (const auto& [entry, set] : conflicts) {
        for (std::string& path : path_texts(set)) list.push_back({print(*entry), std::move(path)});
      }
      return list;
    }
    for (Entry& entry : entries) {
      if (!same_owner(entry, owner)) subtract(entry.set, difference.changed);
      if (!same_owner(entry, owner)) subtract(entry.set, difference.removed);
    }
    return {};
  }
};

Entries live_entries(const Value* live, Value& plain, const schema::Type& type,
                     const Manager& manager, Time time) {
  if (live == nullptr) return {};
  Value none = Value::object();
  Entries entries = take_entries(none, live, "status");
  Entries unused = take_entries(plain, nullptr, "status");
  if (entries.empty()) {
    Manager first = manager;
    first.name = "before-first-apply";
    track(entries, blank_object(plain), plain, type, first, time);
  }
  return entries;
}

}  // namespace

std::string conflict_message(const std::vector<ApplyConflict>& conflicts) {
  if (conflicts.size() == 1) {
    return "Apply failed with 1 conflict: conflict with " + conflicts[0].manager + ": " +
           conflicts[0].path;
  }
  std::string text = "Apply failed with " + std::to_string(conflicts.size()) + " conflicts:";
  const std::string* last = nullptr;
  for (const ApplyConflict& conflict : conflicts) {
    if (last == nullptr || *last != conflict.manager) {
      text +=
          std::string(last == nullptr ? " " : "\n") + "conflicts with " + conflict.manager + ":";
    }
    last = &conflict.manager;
    text += "\n- " + conflict.path;
  }
  return text;
}

Result<Applied> apply(const Value* live, const Value& body, const schema::Type& type,
                      const Manager& manager, bool force, Time time) {
  MR_TRY(check_body(body, type));
  Value plain = live == nullptr ? Value::object() : *live;
  Entries entries = live_entries(live, plain, type, manager, time);
  const Entries entries_before = entries;

  Application application{type, manager, owner_of(manager, "Apply"), FieldSet(), FieldSet(), force};
  application.ignored = ignored_fields(body, type, manager);
  if (manager.name == "kubectl" && live != nullptr) application.allowed = last_applied(plain, type);

  Entry mine = application.owner;
  mine.set = field_set(body, type);
  exclude(mine.set, reset_fields(body, type, manager));

  Value merged = live == nullptr ? body : typed_merge(plain, body, type);
  FieldSet last;
  if (Entry* own = find_owner(entries, mine)) {
    last = std::move(own->set);
    mine.time = own->time;
    own->set = mine.set;
  } else {
    entries.push_back(mine);
  }
  if (!last.empty()) merged = prune(merged, entries, last, type);
  if (live != nullptr) keep_bookkeeping(merged, plain);

  const Difference difference = compare(plain, merged, type, application.ignored);
  Applied applied;
  applied.conflicts = application.settle(entries, difference);
  if (!applied.conflicts.empty()) return applied;

  // The time says when the applier last changed something; shared ownership alone is no change.
  const bool changed = live == nullptr || !(merged == plain);
  if (Entry* own = find_owner(entries, mine)) {
    own->api_version = manager.api_version;
    strip_bookkeeping(own->set);
    if (changed) own->time = format_time(time);
  }
  drop_empty(entries);
  if (manager.name == "kubectl") sync_last_applied(merged, body);
  if (live != nullptr && !changed && entries == entries_before && merged == plain) {
    applied.object = *live;
    return applied;
  }
  applied.object = std::move(merged);
  store_entries(applied.object, std::move(entries));
  return applied;
}

}  // namespace millrace::patch
