#include "operator/gateway/delivery_log.h"

#include <utility>

#include "kubeclient/base/json_quote.h"
#include "kubeclient/base/time_format.h"

namespace millrace::gateway {
namespace {

/// Of a reason and of an id; both come from outside [bytes].
constexpr std::size_t kMostText = 512;

void append(std::string& out, const char* name, std::string_view value) {
  out += '"';
  out += name;
  out += "\":";
  out += json_quote(value);
}

std::string to_json(const DeliveryRecord& record) {
  std::string out = "{";
  append(out, "time", format_micro_time(record.time));
  const std::pair<const char*, const std::string*> fields[] = {
      {"namespace", &record.ns},    {"pipeline", &record.pipeline}, {"id", &record.id},
      {"verdict", &record.verdict}, {"reason", &record.reason},     {"run", &record.run},
      {"remote", &record.remote}};
  for (const auto& [name, value] : fields) {
    out += ',';
    append(out, name, *value);
  }
  return out + "}";
}

void cut(std::string& text) {
  if (text.size() > kMostText) text = text.substr(0, kMostText - 3) + "...";
}

}  // namespace

void DeliveryLog::add(DeliveryRecord record) {
  cut(record.reason);
  cut(record.id);
  const auto state = state_.lock();
  auto& kind = record.run.empty() ? state->refused : state->accepted;
  kind.push_back(std::move(record));
  if (kind.size() > most_of_a_kind_) kind.pop_front();
}

std::string DeliveryLog::json() const {
  const State state = *state_.lock();
  auto a = state.accepted.rbegin();
  auto r = state.refused.rbegin();
  std::string out = "{\"deliveries\":[";
  bool first = true;
  while (a != state.accepted.rend() || r != state.refused.rend()) {
    const bool take_accepted =
        r == state.refused.rend() || (a != state.accepted.rend() && a->time >= r->time);
    if (!std::exchange(first, false)) out += ',';
    out += to_json(take_accepted ? *a : *r);
    ++(take_accepted ? a : r);
  }
  return out + "]}\n";
}

}  // namespace millrace::gateway
