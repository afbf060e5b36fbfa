#include "local/apiserver/owner_index.h"

#include <algorithm>

#include "kubeclient/base/hash.h"

namespace millrace::apiserver {

UidKey uid_key(std::string_view uid) {
  std::string other(uid);
  other += '#';
  return {stable_hash(uid), stable_hash(other)};
}

bool OwnerIndex::set(const storage::Key& key, const std::string& uid,
                     const std::vector<Owner>& owners) {
  const UidKey id = uid_key(uid);
  std::vector<Link> links;
  links.reserve(owners.size());
  for (const Owner& owner : owners) links.push_back({uid_key(owner.uid), owner.blocks});
  const auto found = nodes_.find(id);
  if (found == nodes_.end() && links.empty()) return false;
  if (found != nodes_.end() && found->second.links == links) return false;
  if (found != nodes_.end()) erase(uid);
  if (links.empty()) return true;
  for (const Link& link : links) by_owner_.emplace(link.owner, id);
  nodes_[id] = {{key, uid}, std::move(links)};
  return true;
}

void OwnerIndex::erase(const std::string& uid) {
  const UidKey id = uid_key(uid);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  for (const Link& link : found->second.links) by_owner_.erase({link.owner, id});
  nodes_.erase(found);
}

void OwnerIndex::drop_owner(const std::string& uid, const std::string& owner) {
  const UidKey id = uid_key(uid);
  const UidKey gone = uid_key(owner);
  by_owner_.erase({gone, id});
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  std::erase_if(found->second.links, [&gone](const Link& link) { return link.owner == gone; });
  if (found->second.links.empty()) nodes_.erase(found);
}

std::vector<OwnerIndex::Dependent> OwnerIndex::dependents(const std::string& owner) const {
  std::vector<Dependent> out;
  const UidKey id = uid_key(owner);
  for (auto it = by_owner_.lower_bound({id, {}}); it != by_owner_.end() && it->first == id; ++it) {
    out.push_back(nodes_.at(it->second).dependent);
  }
  return out;
}

const OwnerIndex::Dependent* OwnerIndex::first_dependent(const std::string& owner) const {
  const UidKey id = uid_key(owner);
  const auto it = by_owner_.lower_bound({id, {}});
  if (it == by_owner_.end() || it->first != id) return nullptr;
  return &nodes_.at(it->second).dependent;
}

bool OwnerIndex::is_blocked(const std::string& owner) const {
  const UidKey id = uid_key(owner);
  for (auto it = by_owner_.lower_bound({id, {}}); it != by_owner_.end() && it->first == id; ++it) {
    const auto& links = nodes_.at(it->second).links;
    const bool blocks = std::any_of(links.begin(), links.end(), [&id](const Link& link) {
      return link.owner == id && link.blocks;
    });
    if (blocks) return true;
  }
  return false;
}

std::vector<UidKey> OwnerIndex::owners(const std::string& uid) const {
  std::vector<UidKey> out;
  const auto found = nodes_.find(uid_key(uid));
  if (found == nodes_.end()) return out;
  for (const Link& link : found->second.links) out.push_back(link.owner);
  return out;
}

std::vector<OwnerIndex::Dependent> OwnerIndex::with_owner_outside(
    const std::set<UidKey>& uids) const {
  std::vector<Dependent> out;
  for (const auto& [id, node] : nodes_) {
    const bool outside =
        std::any_of(node.links.begin(), node.links.end(),
                    [&uids](const Link& link) { return !uids.contains(link.owner); });
    if (outside) out.push_back(node.dependent);
  }
  // The same order in every run of a simulation.
  std::sort(out.begin(), out.end(),
            [](const Dependent& a, const Dependent& b) { return a.key < b.key; });
  return out;
}

void OwnerIndex::clear() {
  nodes_.clear();
  by_owner_.clear();
}

}  // namespace millrace::apiserver
