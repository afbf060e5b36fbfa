#include "kubeclient/api/meta.h"

#include <charconv>

namespace millrace::api {
namespace {

const std::string& lookup(const std::map<std::string, std::string>& map, const std::string& key) {
  static const std::string empty;
  const auto it = map.find(key);
  return it == map.end() ? empty : it->second;
}

}  // namespace

std::string ApiResource::api_version() const {
  return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}

const std::string& ObjectMeta::label(const std::string& name_) const {
  return lookup(labels, name_);
}

const std::string& ObjectMeta::annotation(const std::string& name_) const {
  return lookup(annotations, name_);
}

const OwnerReference* ObjectMeta::controller_ref() const {
  for (const OwnerReference& owner : owner_references) {
    if (owner.controller) return &owner;
  }
  return nullptr;
}

std::uint64_t version_number(std::string_view resource_version) {
  std::uint64_t number = 0;
  const char* end = resource_version.data() + resource_version.size();
  const auto [stop, code] = std::from_chars(resource_version.data(), end, number);
  return code == std::errc() && stop == end ? number : 0;
}

const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
  for (const Condition& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

}  // namespace millrace::api
