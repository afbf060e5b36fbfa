#include "tests/unit/executor/pod_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "kubeclient/codec/yaml.h"

namespace millrace::executor {

using codec::Value;
using namespace std::chrono_literals;

namespace {

Value from_yaml(const std::string& text) {
  const auto documents = codec::parse_yaml_documents(text);
  EXPECT_TRUE(documents.ok()) << text;
  return documents.ok() ? documents->front().value : Value();
}

const Value* walk(const Value& value, const std::string& path) {
  const Value* at = &value;
  for (std::size_t begin = 0; at != nullptr && begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    std::size_t index = 0;
    const bool number =
        std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc();
    if (at->is_array()) {
      at = number && index < at->items().size() ? &at->items()[index] : nullptr;
    } else {
      at = at->find(part);
    }
    begin = end + 1;
  }
  return at;
}

/// As the storage calls a resource.
std::string storage_name(const api::ApiResource& resource) {
  std::string name(resource.plural);
  if (!resource.group.empty()) name.append(".").append(resource.group);
  return name;
}

std::unique_ptr<storage::Storage> open_objects(const std::string& folder) {
  storage::Options options;
  if (!folder.empty()) options.path = folder + "/objects.db";
  return std::move(storage::open_storage(options)).value();
}

apiserver::ApiOptions on_this_machine() {
  apiserver::ApiOptions options;
  options.default_node = ExecutorOptions().node_name;
  return options;
}

}  // namespace

void QuietSink::write(const std::string& line) {
  if (std::getenv("MILLRACE_TEST_LOG") != nullptr) std::fprintf(stderr, "%s\n", line.c_str());
}

PodWorld::PodWorld(ExecutorOptions given, const std::string& folder)
    : options(std::move(given)),
      spawner_(std::move(Spawner::fork_off()).value()),
      storage_(open_objects(folder)),
      api_(*storage_, clock_, log_, nullptr, on_this_machine()) {
  if (options.data_dir.empty()) {
    options.data_dir = (folder.empty() ? folder_.path() : folder) + "/data";
  }
  if (options.runtime == Runtime::Auto) options.runtime = Runtime::Process;
  start();
}

PodWorld::~PodWorld() { stop(); }

void PodWorld::start() {
  if (!spawner_) spawner_ = std::move(Spawner::fork_off()).value();
  executor_ = std::make_unique<Executor>(client_, client_, *spawner_, options, env_);
  stop_ = std::stop_source();
  thread_ = std::thread([this] { executor_->run(stop_.get_token()); });
}

void PodWorld::stop() {
  if (!executor_) return;
  stop_.request_stop();
  thread_.join();
  spawner_.reset();
  executor_.reset();
}

Value PodWorld::create(const api::ApiResource& resource, const std::string& yaml) {
  const auto made = client_.create_text(resource, "default", from_yaml(yaml).dump(), {});
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
  return made.ok() ? Value::parse(*made).value() : Value();
}

Value PodWorld::create_pod(const std::string& name, const std::string& spec_yaml) {
  Value pod = Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
  pod["metadata"] = Value::object({{"name", name}, {"namespace", "default"}});
  pod["spec"] = from_yaml(spec_yaml);
  const auto made = client_.create_text(kPods, "default", pod.dump(), {});
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
  return made.ok() ? Value::parse(*made).value() : Value();
}

Value PodWorld::pod(const std::string& name) {
  const auto text = client_.get_text(kPods, {"default", name}, {});
  return text.ok() ? Value::parse(*text).value() : Value();
}

Value PodWorld::await(const api::ApiResource& resource, const ObjectKey& key,
                      const std::function<bool(const Value&)>& holds) {
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;
  const auto subscription = storage_->subscribe(storage_name(resource), storage_->version(), [&] {
    const std::lock_guard lock(mutex);
    woken = true;
    changed.notify_all();
  });
  EXPECT_TRUE(subscription.ok());
  const SteadyTime deadline = clock_.steady() + 20s;
  while (true) {
    const auto text = client_.get_text(resource, key, {});
    const Value found = text.ok() ? Value::parse(*text).value() : Value();
    if (holds(found)) return found;
    std::unique_lock lock(mutex);
    if (!changed.wait_until(lock, deadline, [&] { return woken; })) {
      ADD_FAILURE() << "not seen in time: " << found.pretty();
      return {};
    }
    woken = false;
  }
}

int PodWorld::writes_of(const api::ApiResource& resource, const ObjectKey& key) {
  const auto subscription = storage_->subscribe(storage_name(resource), 1, [] {});
  EXPECT_TRUE(subscription.ok());
  const auto events = (*subscription)->take(10'000);
  EXPECT_TRUE(events.ok()) << "more writes than the history holds";
  return static_cast<int>(
      std::count_if(events->begin(), events->end(), [&](const storage::Event& event) {
        return event.now->key.ns == key.ns && event.now->key.name == key.name;
      }));
}

Value PodWorld::await_pod(const std::string& name, const std::function<bool(const Value&)>& holds) {
  return await(kPods, {"default", name}, holds);
}

Value PodWorld::await_phase(const std::string& name, const std::string& phase) {
  return await_pod(name, [&](const Value& pod) { return text_at(pod, "status.phase") == phase; });
}

bool PodWorld::await_gone(const api::ApiResource& resource, const ObjectKey& key) {
  bool gone = false;
  await(resource, key, [&](const Value& object) { return gone = object.is_null(); });
  return gone;
}

void PodWorld::delete_pod(const std::string& name, std::optional<int> grace) {
  client::DeleteOptions options_;
  options_.grace_seconds = grace;
  const auto deleted = client_.delete_text(kPods, {"default", name}, options_, {});
  EXPECT_TRUE(deleted.ok()) << (deleted.ok() ? "" : deleted.error().message);
}

std::string PodWorld::logs(const std::string& name, const std::string& container, bool follow,
                           bool previous) {
  const auto stream = executor_->logs().open({.pod = {"default", name},
                                              .pod_uid = text_at(pod(name), "metadata.uid"),
                                              .container = container,
                                              .follow = follow,
                                              .previous = previous});
  if (!stream.ok()) return "error: " + stream.error().message;
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = true;
  (*stream)->on_ready([&] {
    const std::lock_guard lock(mutex);
    woken = true;
    changed.notify_all();
  });
  std::string out;
  while (true) {
    const std::string piece = (*stream)->take(1 << 16);
    out += piece;
    if (!piece.empty()) continue;
    if ((*stream)->ended()) break;
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, 20s, [&] { return woken; })) {
      out += "(no more in time)";
      break;
    }
    woken = false;
  }
  return out;
}

std::string text_at(const Value& value, const std::string& path) {
  const Value* at = walk(value, path);
  return at == nullptr ? std::string() : at->as_string();
}

std::int64_t int_at(const Value& value, const std::string& path) {
  const Value* at = walk(value, path);
  return at == nullptr ? -1 : at->as_int();
}

}  // namespace millrace::executor
