#include "controllers/logic/index_set.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace millrace::logic {
namespace {

std::optional<int> to_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

IndexSet IndexSet::parse(std::string_view text) {
  IndexSet out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t dash = part.find('-');
    const auto first = to_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : to_number(part.substr(dash + 1));
    if (first && last && *first <= *last) out.insert_range(*first, *last);
  }
  return out;
}

void IndexSet::insert_range(int first, int last) {
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) {
    const auto before = std::prev(it);
    if (static_cast<std::int64_t>(before->second) + 1 >= first) {
      first = before->first;
      last = std::max(last, before->second);
      it = ranges_.erase(before);
    }
  }
  while (it != ranges_.end() && it->first <= static_cast<std::int64_t>(last) + 1) {
    last = std::max(last, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace(first, last);
}

std::string IndexSet::str() const {
  std::string out;
  for (const auto& [first, last] : ranges_) {
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last == first) continue;
    out += last == first + 1 ? ',' : '-';
    out += std::to_string(last);
  }
  return out;
}

bool IndexSet::contains(int index) const {
  const auto it = ranges_.upper_bound(index);
  return it != ranges_.begin() && std::prev(it)->second >= index;
}

bool IndexSet::insert(int index) {
  if (contains(index)) return false;
  insert_range(index, index);
  return true;
}

void IndexSet::erase_from(int first) {
  ranges_.erase(ranges_.lower_bound(first), ranges_.end());
  if (!ranges_.empty() && ranges_.rbegin()->second >= first) {
    std::prev(ranges_.end())->second = first - 1;
  }
}

int IndexSet::next_absent(int from) const {
  const auto it = ranges_.upper_bound(from);
  if (it == ranges_.begin() || std::prev(it)->second < from) return from;
  const int last = std::prev(it)->second;
  return last == std::numeric_limits<int>::max() ? last : last + 1;
}

std::int64_t IndexSet::size() const {
  std::int64_t count = 0;
  for (const auto& [first, last] : ranges_) count += static_cast<std::int64_t>(last) - first + 1;
  return count;
}

std::vector<int> IndexSet::members() const {
  std::vector<int> out;
  for (const auto& [first, last] : ranges_) {
    for (std::int64_t index = first; index <= last; ++index) out.push_back(static_cast<int>(index));
  }
  return out;
}

std::int64_t IndexSet::common(const IndexSet& other) const {
  std::int64_t count = 0;
  for (const auto& [first, last] : ranges_) {
    auto it = other.ranges_.upper_bound(first);
    if (it != other.ranges_.begin()) --it;
    for (; it != other.ranges_.end() && it->first <= last; ++it) {
      const int low = std::max(first, it->first);
      const int high = std::min(last, it->second);
      if (low <= high) count += static_cast<std::int64_t>(high) - low + 1;
    }
  }
  return count;
}

}  // namespace millrace::logic
