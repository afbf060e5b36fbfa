#include "tests/unit/cli/fake_cluster.h"

#include "crds/custom_resource.h"
#include "kubeclient/codec/value.h"

namespace millrace::cli {
namespace {

using codec::Value;

/// Gives its text in one piece, then the end.
class TextStream final : public client::ByteStream {
 public:
  explicit TextStream(std::string text) : text_(std::move(text)) {}
  Result<std::string> read(SteadyTime) override { return std::exchange(text_, {}); }
  void cancel() override {}

 private:
  std::string text_;
};

std::string place(const api::ApiResource& resource, const std::string& name) {
  return std::string(resource.plural) + "/" + name;
}

class FakeCluster final : public Cluster, client::Reader, client::Writer {
 public:
  FakeCluster(FakeServer& server, const ClusterChoice& choice)
      : server_(server), ns_(choice.ns.empty() ? "default" : choice.ns) {}

  client::Reader& reader() override { return *this; }
  client::Writer& writer() override { return *this; }
  const std::string& ns() const override { return ns_; }
  std::stop_token stop() override { return {}; }

  Result<std::string> get_text(const api::ApiResource& resource, const ObjectKey& key,
                               const client::CallOptions&) override {
    const auto found = server_.objects.find(place(resource, key.name));
    if (found == server_.objects.end() || key.ns != "default") {
      return fail(Code::NotFound, place(resource, key.name) + " not found");
    }
    return found->second;
  }

  Result<std::string> list_text(const api::ApiResource& resource, const std::string& ns,
                                const client::ListOptions& list,
                                const client::CallOptions&) override {
    const std::string prefix = std::string(resource.plural) + "/";
    std::string items;
    for (const auto& [name, json] : server_.objects) {
      if (!name.starts_with(prefix) || (!ns.empty() && ns != "default")) continue;
      const std::string own = "metadata.name=" + name.substr(prefix.size());
      if (list.field_selector.starts_with("metadata.name=") && list.field_selector != own) continue;
      items += (items.empty() ? "" : ",") + json;
    }
    return R"({"metadata":{"resourceVersion":"7"},"items":[)" + items + "]}";
  }

  Result<std::unique_ptr<client::ByteStream>> watch(const api::ApiResource&, const std::string&,
                                                    const client::WatchOptions&,
                                                    const client::CallOptions&) override {
    return fail(Code::Unavailable, "no watches here");
  }

  Result<std::string> create_text(const api::ApiResource& resource, const std::string&,
                                  std::string_view body,
                                  const client::CallOptions& options) override {
    if (resource.kind == "SelfSubjectReview") {
      return R"({"status":{"userInfo":{"username":")" + server_.user +
             R"(","groups":["devs","system:authenticated"]}}})";
    }
    Value object = Value::parse(body).value();
    const Value* prefix = object.at_path({"metadata", "generateName"});
    if (prefix != nullptr) object["metadata"]["name"] = prefix->as_string() + "abcde";
    const std::string name = object.at_path({"metadata", "name"})->as_string();
    return change(options.dry_run ? "dry-run" : "create", place(resource, name), std::string(body),
                  object.dump());
  }

  Result<std::string> replace_text(const api::ApiResource&, const ObjectKey&, std::string_view,
                                   const std::string&, const client::CallOptions&) override {
    return fail(Code::Bug, "no command replaces");
  }

  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 client::PatchType, std::string_view body,
                                 const client::PatchOptions&,
                                 const client::CallOptions& options) override {
    return change(options.dry_run ? "dry-run" : "patch", place(resource, key.name),
                  std::string(body), std::string(body));
  }

  Result<std::string> delete_text(const api::ApiResource&, const ObjectKey&,
                                  const client::DeleteOptions&,
                                  const client::CallOptions&) override {
    return fail(Code::Bug, "no command deletes");
  }

  Result<std::unique_ptr<client::ByteStream>> pod_logs(const ObjectKey& pod,
                                                       const client::LogOptions& log,
                                                       const client::CallOptions&) override {
    server_.log_options.push_back(log);
    const auto found = server_.logs.find(pod.name + "/" + log.container);
    if (found == server_.logs.end()) return fail(Code::NotFound, "no pod " + pod.name);
    return std::unique_ptr<client::ByteStream>(std::make_unique<TextStream>(found->second));
  }

  Result<std::string> raw_get(const std::string& path) override {
    const auto found = server_.raw.find(path);
    if (found == server_.raw.end()) return fail(Code::NotFound, "nothing at " + path);
    return found->second;
  }

  int follow(const crds::PipelineRun& run, const FollowOptions& options) override {
    server_.followed.push_back(run.metadata.name);
    server_.follow_options = options;
    return 0;
  }

 private:
  Result<std::string> change(std::string verb, const std::string& what, std::string body,
                             std::string answer) {
    if (const auto refused = server_.refusals.find(what); refused != server_.refusals.end()) {
      return fail(refused->second);
    }
    server_.changes.push_back({std::move(verb), what, std::move(body)});
    return answer;
  }

  FakeServer& server_;
  const std::string ns_;
};

}  // namespace

void FakeServer::add(const std::string& json) {
  const Value object = Value::parse(json).value();
  const std::string kind = object.find("kind")->as_string();
  const std::string name = object.at_path({"metadata", "name"})->as_string();
  const crds::KindInfo* ours = crds::find_kind(kind);
  const std::string plural = ours != nullptr                ? std::string(ours->resource.plural)
                             : kind == "ControllerRevision" ? "controllerrevisions"
                             : kind == "Pod"                ? "pods"
                             : kind == "Job"                ? "jobs"
                                                            : "events";
  objects[plural + "/" + name] = json;
}

std::unique_ptr<Cluster> connect_to(FakeServer& server, const ClusterChoice& choice) {
  server.choice = choice;
  server.connected = true;
  return std::make_unique<FakeCluster>(server, choice);
}

}  // namespace millrace::cli
