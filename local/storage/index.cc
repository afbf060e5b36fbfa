#include "local/storage/index.h"

namespace millrace::storage {

std::string place_of(std::string_view ns, std::string_view name) {
  std::string place;
  place.reserve(ns.size() + 1 + name.size());
  place += ns;
  place += '\0';
  place += name;
  return place;
}

Key key_of(const std::string& resource, const std::string& place) {
  const std::size_t split = place.find('\0');
  return {resource, place.substr(0, split), place.substr(split + 1)};
}

void Gathering::walk(const Index& index, const std::map<std::string, RecordRef>& then) {
  auto now = index.lower_bound(start_);
  auto old = then.lower_bound(start_);
  for (;;) {
    const bool has_now = now != index.end() && covers(now->first);
    const bool has_old = old != then.end() && covers(old->first);
    if (!has_now && !has_old) return;
    if (has_old && (!has_now || old->first <= now->first)) {
      if (has_now && now->first == old->first) ++now;
      if (old->second != nullptr) add(old->first, old->second, nullptr);
      ++old;
    } else {
      add(now->first, now->second.record, &now->second);
      ++now;
    }
  }
}

}  // namespace millrace::storage
