#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_set>

#include "controllers/logic/compile_graph.h"

namespace millrace::logic {

GraphShape::GraphShape(const std::vector<GraphStep>& steps, const std::vector<std::string>& stages)
    : count_(steps.size()),
      needs_(steps.size() + stages.size()),
      members_(stages.size()),
      point_of_(steps.size(), npos) {
  for (std::size_t i = 0; i < count_; ++i) by_name_.emplace(steps[i].name, i);
  std::unordered_map<std::string_view, std::size_t> stage_index;
  for (std::size_t s = 0; s < stages.size(); ++s) stage_index.emplace(stages[s], s);
  std::vector<std::size_t> stage_of(count_, npos);
  for (std::size_t i = 0; i < count_; ++i) {
    if (steps[i].stage.empty() || steps[i].group != Group::Main) continue;
    const auto known = stage_index.find(steps[i].stage);
    if (known == stage_index.end()) continue;
    stage_of[i] = known->second;
    members_[known->second].push_back(i);
  }
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const std::size_t before = stage_before(s);
    if (before != npos && !members_[s].empty()) needs_[count_ + s] = members_[before];
  }
  for (std::size_t i = 0; i < count_; ++i) {
    if (steps[i].step != nullptr) {
      std::unordered_set<std::size_t> seen;
      for (const std::string& name : steps[i].step->depends_on) {
        const std::size_t other = find(name);
        if (other == npos || other == i || steps[other].group != steps[i].group) continue;
        if (seen.insert(other).second) needs_[i].push_back(other);
      }
    }
    if (stage_of[i] == npos || needs_[count_ + stage_of[i]].empty()) continue;
    point_of_[i] = count_ + stage_of[i];
    needs_[i].push_back(point_of_[i]);
  }
  sort();
  close();
}

/// The nearest earlier stage that has steps.
std::size_t GraphShape::stage_before(std::size_t stage) const {
  while (stage-- > 0) {
    if (!members_[stage].empty()) return stage;
  }
  return npos;
}

void GraphShape::sort() {
  const std::size_t total = needs_.size();
  std::vector<std::size_t> missing(total);
  std::vector<std::vector<std::size_t>> next(total);
  for (std::size_t i = 0; i < total; ++i) {
    missing[i] = needs_[i].size();
    for (const std::size_t other : needs_[i]) next[other].push_back(i);
  }
  sorted_.assign(total, false);
  // The lowest position first keeps the order as written wherever that is possible.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  std::vector<std::size_t> points;
  const auto free = [&](std::size_t vertex) {
    if (vertex >= count_) {
      points.push_back(vertex);
    } else {
      ready.push(vertex);
    }
  };
  for (std::size_t i = 0; i < total; ++i) {
    if (missing[i] == 0) free(i);
  }
  while (!points.empty() || !ready.empty()) {
    std::size_t vertex = 0;
    if (!points.empty()) {
      vertex = points.back();
      points.pop_back();
    } else {
      vertex = ready.top();
      ready.pop();
      order_.push_back(vertex);
    }
    sorted_[vertex] = true;
    full_order_.push_back(vertex);
    for (const std::size_t other : next[vertex]) {
      if (--missing[other] == 0) free(other);
    }
  }
}

void GraphShape::close() {
  words_ = (count_ + kBits - 1) / kBits;
  ancestors_.assign(words_ * needs_.size(), 0);
  for (const std::size_t vertex : full_order_) {
    std::uint64_t* own = ancestors_.data() + vertex * words_;
    for (const std::size_t other : needs_[vertex]) {
      const std::uint64_t* theirs = ancestors_.data() + other * words_;
      for (std::size_t w = 0; w < words_; ++w) own[w] |= theirs[w];
      if (other < count_) own[other / kBits] |= std::uint64_t{1} << (other % kBits);
    }
  }
}

std::vector<std::size_t> GraphShape::cycle() const {
  std::size_t vertex = npos;
  for (std::size_t i = 0; i < count_ && vertex == npos; ++i) {
    if (!sorted_[i]) vertex = i;
  }
  if (vertex == npos) return {};
  // What is not sorted waits for something else that is not sorted: going on comes round.
  std::vector<std::size_t> trail;
  std::unordered_map<std::size_t, std::size_t> at;
  while (!at.contains(vertex)) {
    at.emplace(vertex, trail.size());
    trail.push_back(vertex);
    for (const std::size_t other : needs_[vertex]) {
      if (sorted_[other]) continue;
      vertex = other;
      break;
    }
  }
  std::vector<std::size_t> out;
  for (std::size_t i = at.at(vertex); i < trail.size(); ++i) {
    if (trail[i] < count_) out.push_back(trail[i]);
  }
  std::rotate(out.begin(), std::min_element(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::size_t> GraphShape::after(std::size_t step) const {
  std::vector<std::size_t> out = needs_[step];
  if (point_of_[step] == npos) return out;
  out.pop_back();  // the point, which stands last
  const std::unordered_set<std::size_t> own(out.begin(), out.end());
  for (const std::size_t other : needs_[point_of_[step]]) {
    if (!own.contains(other)) out.push_back(other);
  }
  return out;
}

std::size_t GraphShape::edges() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    sum += needs_[i].size();
    if (point_of_[i] != npos) sum += needs_[point_of_[i]].size() - 1;
  }
  return sum;
}

bool GraphShape::waits_for(std::size_t step, std::size_t other) const {
  return (ancestors_[step * words_ + other / kBits] >> (other % kBits) & 1) != 0;
}

std::size_t GraphShape::find(std::string_view name) const {
  const auto known = by_name_.find(name);
  return known == by_name_.end() ? npos : known->second;
}

}  // namespace millrace::logic
