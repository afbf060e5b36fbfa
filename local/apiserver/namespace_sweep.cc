#include "local/apiserver/namespace_sweep.h"

#include <algorithm>

#include "local/apiserver/ownership.h"

namespace millrace::apiserver {
namespace {

constexpr std::size_t kPage = 50;

bool is_done(const Result<void>& result) {
  return result.ok() || result.error().code == Code::NotFound ||
         result.error().code == Code::Conflict;
}

bool drop_finalizer(codec::Value& object) {
  codec::Value* spec = object.find("spec");
  codec::Value* finalizers = spec == nullptr ? nullptr : spec->find("finalizers");
  if (finalizers == nullptr) return false;
  const std::size_t dropped = std::erase_if(finalizers->items(), [](const codec::Value& name) {
    return name.as_string() == "kubernetes";
  });
  if (finalizers->items().empty()) spec->erase("finalizers");
  return dropped > 0;
}

}  // namespace

void NamespaceSweep::refill(const std::string& name) {
  if (const auto it = progress_.find(name); it != progress_.end()) it->second = {};
}

Result<bool> NamespaceSweep::delete_next(const std::string& name, Progress& progress) {
  const auto& kinds = schema::kinds();
  while (progress.kind < kinds.size()) {
    const schema::Kind& kind = kinds[progress.kind];
    if (!kind.resource.namespaced) {
      ++progress.kind;
      continue;
    }
    const storage::Key* after = progress.after ? &*progress.after : nullptr;
    MR_ASSIGN(const auto page, storage_.list(kind.storage_name(), name, after, kPage, 0));
    for (const auto& record : page.records) {
      if (!read_ownership(record->json).deleting) {
        const auto removed = writer_.remove(record->key, record->uid, Propagation::Background);
        if (!is_done(removed)) return fail(removed.error());
        progress.after = record->key;
        return true;
      }
      progress.after = record->key;
    }
    if (page.more) continue;
    ++progress.kind;
    progress.after.reset();
  }
  return false;
}

Result<bool> NamespaceSweep::is_empty(const std::string& name) const {
  for (const schema::Kind& kind : schema::kinds()) {
    if (!kind.resource.namespaced) continue;
    MR_ASSIGN(const auto page, storage_.list(kind.storage_name(), name, nullptr, 1, 0));
    if (!page.records.empty()) return false;
  }
  return true;
}

Result<bool> NamespaceSweep::step(const std::string& name) {
  const auto it = progress_.find(name);
  if (it == progress_.end()) return false;
  MR_ASSIGN(const bool wrote, delete_next(name, it->second));
  if (wrote) return true;
  MR_ASSIGN(const bool empty, is_empty(name));
  if (!empty) return false;
  const storage::Key key{"namespaces", "", name};
  MR_ASSIGN(const auto record, storage_.get(key));
  if (record == nullptr) return false;
  const auto edited = writer_.edit(key, record->uid, drop_finalizer);
  if (!is_done(edited)) return fail(edited.error());
  return false;
}

}  // namespace millrace::apiserver
