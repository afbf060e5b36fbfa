#include "tests/unit/executor/tiny_api.h"

#include <gtest/gtest.h>

#include <chrono>

#include "kubeclient/base/time_format.h"

namespace millrace::executor {

using codec::Value;

namespace {

std::string text_of(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  return value == nullptr ? std::string() : value->as_string();
}

void merge(Value& target, const Value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Value::object();
  for (const auto& [key, value] : patch.members()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      merge(target[key], value);
    }
  }
}

ObjectKey key_of(const Value& object) {
  return {text_of(object, {"metadata", "namespace"}), text_of(object, {"metadata", "name"})};
}

std::string now_text() { return format_time(SystemClock().now()); }

}  // namespace

class TinyApi::Stream final : public client::ByteStream {
 public:
  Stream(TinyApi& api, std::string plural, std::int64_t version, std::stop_token stop)
      : api_(api), plural_(std::move(plural)), version_(version), stop_(std::move(stop)) {}
  Result<std::string> read(SteadyTime deadline) override {
    auto state = api_.state_.lock();
    std::string out;
    const auto look = [&] {
      for (; next_ < state->events.size(); ++next_) {
        const Event& event = state->events[next_];
        if (event.plural == plural_ && event.version > version_) out += event.line;
      }
      return !out.empty() || cancelled_;
    };
    const bool found = api_.changed_.wait_until(state.lock(), stop_, deadline, look);
    if (cancelled_ || stop_.stop_requested()) return fail(Code::Cancelled, "cancelled");
    if (!found) return fail(Code::Timeout, "silence");
    return out;
  }
  void cancel() override {
    {
      auto state = api_.state_.lock();
      cancelled_ = true;
    }
    api_.changed_.notify_all();
  }

 private:
  TinyApi& api_;
  std::string plural_;
  std::int64_t version_;
  std::stop_token stop_;
  std::size_t next_ = 0;
  bool cancelled_ = false;
};

std::map<std::string, int> TinyApi::writes() const { return state_.lock()->writes; }

bool TinyApi::await(const std::string& plural, const ObjectKey& key,
                    const std::function<bool(const Value*)>& holds, Value* found) {
  auto state = state_.lock();
  const auto look = [&] {
    const auto it = state->objects.find({plural, key});
    const Value* object = it == state->objects.end() ? nullptr : &it->second;
    if (found != nullptr) *found = object == nullptr ? Value() : *object;
    return holds(object);
  };
  return changed_.wait_for(state.lock(), std::chrono::seconds(20), look);
}

void TinyApi::put(State& state, const std::string& plural, const char* type, Value& object) {
  object["metadata"]["resourceVersion"] = std::to_string(++state.version);
  Value event = Value::object({{"type", type}});
  event["object"] = object;
  state.events.push_back({plural, state.version, event.dump() + "\n"});
  if (std::string_view(type) == "DELETED") {
    state.objects.erase({plural, key_of(object)});
  } else {
    state.objects[{plural, key_of(object)}] = object;
  }
  changed_.notify_all();
}

Result<std::string> TinyApi::get_text(const api::ApiResource& resource, const ObjectKey& key,
                                      const client::CallOptions&) {
  auto state = state_.lock();
  const auto it = state->objects.find({std::string(resource.plural), key});
  if (it == state->objects.end()) return fail(Code::NotFound, key.str() + " not found");
  return it->second.dump();
}

Result<std::string> TinyApi::list_text(const api::ApiResource& resource, const std::string&,
                                       const client::ListOptions&, const client::CallOptions&) {
  auto state = state_.lock();
  Value items = Value::array();
  for (const auto& [address, object] : state->objects) {
    if (address.first == resource.plural) items.push_back(object);
  }
  Value list = Value::object({{"kind", "List"}});
  list["metadata"] = Value::object({{"resourceVersion", std::to_string(state->version)}});
  list["items"] = std::move(items);
  return list.dump();
}

Result<std::unique_ptr<client::ByteStream>> TinyApi::watch(const api::ApiResource& resource,
                                                           const std::string&,
                                                           const client::WatchOptions& watch,
                                                           const client::CallOptions& options) {
  if (watch.send_initial_events) return fail(Code::Invalid, "no watch-list here");
  return std::make_unique<Stream>(
      *this, std::string(resource.plural),
      static_cast<std::int64_t>(api::version_number(watch.resource_version)), options.stop);
}

Result<std::string> TinyApi::create_text(const api::ApiResource& resource, const std::string& ns,
                                         std::string_view body, const client::CallOptions&) {
  auto state = state_.lock();
  Value object = Value::parse(body).value();
  if (resource.namespaced) object["metadata"]["namespace"] = ns;
  const std::string plural(resource.plural);
  ++state->writes["create " + plural];
  if (state->objects.contains({plural, key_of(object)})) {
    return fail(Code::AlreadyExists, key_of(object).str() + " exists");
  }
  object["metadata"]["uid"] = "uid-" + std::to_string(state->version);
  object["metadata"]["creationTimestamp"] = now_text();
  object["metadata"]["generation"] = 1;
  if (plural == "pods") {
    object["spec"]["nodeName"] = "local";
    object["status"] = Value::object({{"phase", "Pending"}});
  }
  put(*state, plural, "ADDED", object);
  return object.dump();
}

Result<std::string> TinyApi::replace_text(const api::ApiResource&, const ObjectKey&,
                                          std::string_view, const std::string&,
                                          const client::CallOptions&) {
  return fail(Code::Invalid, "nobody replaces");
}

Result<std::string> TinyApi::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                        client::PatchType, std::string_view body,
                                        const client::PatchOptions& patch,
                                        const client::CallOptions&) {
  auto state = state_.lock();
  const std::string plural(resource.plural);
  ++state->writes["patch " + plural + (patch.subresource.empty() ? "" : "/" + patch.subresource)];
  const auto it = state->objects.find({plural, key});
  if (it == state->objects.end()) return fail(Code::NotFound, key.str() + " not found");
  const Value change = Value::parse(body).value();
  const std::string uid = text_of(change, {"metadata", "uid"});
  if (!uid.empty() && uid != text_of(it->second, {"metadata", "uid"})) {
    return fail(Code::Conflict, "another UID");
  }
  Value object = it->second;
  if (patch.subresource == "status") {
    if (const Value* status = change.find("status")) merge(object["status"], *status);
  } else {
    const Value status = object["status"];
    merge(object, change);
    object["status"] = status;
    object["metadata"]["generation"] = object["metadata"]["generation"].as_int() + 1;
  }
  if (object == it->second) return object.dump();
  put(*state, plural, "MODIFIED", object);
  return object.dump();
}

Result<std::string> TinyApi::delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                         const client::DeleteOptions& del,
                                         const client::CallOptions&) {
  auto state = state_.lock();
  const std::string plural(resource.plural);
  ++state->writes["delete " + plural];
  const auto it = state->objects.find({plural, key});
  if (it == state->objects.end()) return fail(Code::NotFound, key.str() + " not found");
  Value object = it->second;
  if (!del.uid.empty() && del.uid != text_of(object, {"metadata", "uid"})) {
    return fail(Code::Conflict, "another UID");
  }
  const std::string phase = text_of(object, {"status", "phase"});
  const Value* declared = object.at_path({"spec", "terminationGracePeriodSeconds"});
  const std::int64_t grace = plural != "pods" || phase == "Succeeded" || phase == "Failed" ? 0
                             : del.grace_seconds   ? *del.grace_seconds
                             : declared != nullptr ? declared->as_int()
                                                   : 30;
  if (grace > 0) {
    object["metadata"]["deletionTimestamp"] = now_text();
    object["metadata"]["deletionGracePeriodSeconds"] = grace;
    put(*state, plural, "MODIFIED", object);
  } else {
    put(*state, plural, "DELETED", object);
  }
  return object.dump();
}

}  // namespace millrace::executor
