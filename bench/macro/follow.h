/// A watch of any kind of object that reads no more than a measurement needs.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/reflector.h"

namespace millrace::bench {

/// What all engines have in common.
struct AnyObject {
  struct Status {
    std::string phase;
    std::vector<api::Condition> conditions;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("phase", self.phase);
      v.field("conditions", self.conditions);
    }
  };
  api::ObjectMeta metadata;
  Status status;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("status", self.status);
  }
};

/// "Type=Status" of a condition, or "phase=Value".
struct StateTest {
  std::string type;
  std::string value;
  bool holds(const AnyObject& object) const;
};
/// Errors: Invalid.
Result<StateTest> parse_state_test(const std::string& text);

/// Where a kind is served, as text that outlives its ApiResource.
struct ResourceName {
  std::string group;
  std::string version;
  std::string plural;
  std::string kind;
  api::ApiResource resource() const { return {group, version, plural, kind, true}; }
};
/// From "group/version/plural/Kind"; the core group is "". Errors: Invalid.
Result<ResourceName> parse_resource(const std::string& text);

/// Calls `on_object` with each object of a namespace that appears or changes, on a thread of its
/// own, until it is destroyed.
class Follow final : private runtime::ReflectorSink {
 public:
  using OnObject = std::function<void(const AnyObject&)>;
  Follow(client::Reader& reader, const api::ApiResource& resource, const std::string& ns,
         const runtime::Env& env, OnObject on_object);
  ~Follow() override;

  /// Until what existed before has been read. Errors: Timeout.
  Result<void> wait_synced(SteadyTime deadline);

 private:
  runtime::WatchInput read_event(runtime::WatchEventType type, std::string_view line) override;
  runtime::WatchInput read_page(std::string_view text) override;
  void perform(runtime::WatchEffect effect, const std::string& version) override;

  OnObject on_object_;
  Guarded<bool> synced_{false};
  std::condition_variable_any changed_;
  runtime::Reflector reflector_;
  std::jthread thread_;
};

}  // namespace millrace::bench
