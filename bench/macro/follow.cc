#include "bench/macro/follow.h"

#include "kubeclient/client/typed.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::bench {

using runtime::WatchEffect;
using runtime::WatchEventType;
using runtime::WatchInput;

bool StateTest::holds(const AnyObject& object) const {
  if (type.empty()) return false;
  if (type == "phase") return object.status.phase == value;
  const api::Condition* condition = api::find_condition(object.status.conditions, type);
  return condition != nullptr && condition->status == value;
}

Result<StateTest> parse_state_test(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return fail(Code::Invalid, text + ": want Condition=Status or phase=Value");
  }
  return StateTest{text.substr(0, equals), text.substr(equals + 1)};
}

Result<ResourceName> parse_resource(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.size() != 4) return fail(Code::Invalid, text + ": want group/version/plural/Kind");
  return ResourceName{parts[0], parts[1], parts[2], parts[3]};
}

Follow::Follow(client::Reader& reader, const api::ApiResource& resource, const std::string& ns,
               const runtime::Env& env, OnObject on_object)
    : on_object_(std::move(on_object)),
      reflector_(reader, *this, {.resource = resource, .ns = ns}, env),
      thread_([this](const std::stop_token& stop) { reflector_.run(stop); }) {}

Follow::~Follow() = default;

Result<void> Follow::wait_synced(SteadyTime deadline) {
  auto synced = synced_.lock();
  const bool done = changed_.wait_until(synced.lock(), deadline, [&] { return *synced; });
  if (!done) return fail(Code::Timeout, "a watch did not start in time");
  return {};
}

WatchInput Follow::read_event(WatchEventType type, std::string_view line) {
  runtime::WatchObject<AnyObject> event;
  if (!codec::thread_reader().read(line, event).empty()) return {WatchInput::Kind::Garbled};
  if (type == WatchEventType::Deleted) {
    return {WatchInput::Kind::Deleted, event.object.metadata.resource_version};
  }
  on_object_(event.object);
  return {WatchInput::Kind::Changed, event.object.metadata.resource_version};
}

WatchInput Follow::read_page(std::string_view text) {
  client::ListPage<AnyObject> page;
  if (!codec::thread_reader().read(text, page).empty()) {
    return {WatchInput::Kind::Failed, {}, {}, Code::Malformed};
  }
  for (const AnyObject& object : page.items) on_object_(object);
  return {WatchInput::Kind::Page, page.metadata.resource_version, page.metadata.continue_token};
}

void Follow::perform(WatchEffect effect, const std::string&) {
  if (effect != WatchEffect::Swap) return;
  *synced_.lock() = true;
  changed_.notify_all();
}

}  // namespace millrace::bench
