/// Whatever a client sends to the embedded API server: an answer comes, it is well-formed, it is
/// never an error of the server itself, and what is stored stays readable.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubeclient/base/log.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "local/storage/storage.h"
#include "tests/fuzz/mutator.h"
#include "tests/support/manual_clock.h"

namespace millrace::fuzz {
namespace {

using apiserver::Request;
using apiserver::Response;
using codec::Value;

struct Sample {
  std::string collection;  ///< path of the collection
  std::string object;      ///< a good object of it, as JSON
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample>
      all =
          {
              {"/api/v1/namespaces/default/configmaps",
               R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{"a":"b"},"finalizers":["x.test/f"]},"data":{"k":"v"}})"},
              {"/api/v1/namespaces/default/secrets",
               R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"type":"Opaque","data":{"k":"dg=="},"stringData":{"x":"y"}})"},
              {"/api/v1/namespaces/default/pods",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"},"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"c","uid":"u","controller":true}]},"spec":{"restartPolicy":"Never","initContainers":[{"name":"i","image":"x"}],"containers":[{"name":"c","image":"x:1","command":["true"],"ports":[{"containerPort":80}],"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"resources":{"limits":{"cpu":"500m"}},"volumeMounts":[{"name":"v","mountPath":"/x"}],"readinessProbe":{"httpGet":{"path":"/","port":80}}}],"volumes":[{"name":"v","emptyDir":{}}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}},"ready":true,"restartCount":0,"image":"x","imageID":""}]}})"},
              {"/apis/batch/v1/namespaces/default/jobs",
               R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"backoffLimit":2,"managedBy":"millrace.dev/job-controller","template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"x"}]}}},"status":{"startTime":"2026-01-01T00:00:00Z","conditions":[{"type":"Complete","status":"True"}]}})"},
              {"/apis/apps/v1/namespaces/default/deployments",
               R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}})"},
              {"/api/v1/namespaces/default/services",
               R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"svc"},"spec":{"selector":{"a":"b"},"ports":[{"port":80}]}})"},
              {"/api/v1/namespaces",
               R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other"}})"},
              {"/api/v1/namespaces/default/events",
               R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","namespace":"default"},"reason":"R","message":"m","type":"Normal"})"},
              {"/apis/events.k8s.io/v1/namespaces/default/events", R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e2"},"regarding":{"kind":"Pod","name":"p","namespace":"default"},"reason":"R","action":"A","note":"m","type":"Normal","eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"x.test/y","reportingInstance":"z"})"},
              {"/apis/coordination.k8s.io/v1/namespaces/default/leases",
               R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{"holderIdentity":"me","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:00.000000Z"}})"},
              {"/apis/millrace.dev/v1/namespaces/default/pipelines",
               R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":"pl"},"spec":{"batchJob":{"processors":[{"name":"a","image":"x","command":["true"]}]},"strategy":{"cronExpression":"* * * * *"}}})"},
              {"/apis/millrace.dev/v1/namespaces/default/pipelineruns",
               R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun","metadata":{"generateName":"r-"},"spec":{"refPipeline":"pl","timeout":"5m","maxRetryCount":1}})"},
          };
  return all;
}

constexpr const char* kPatches[][2] = {
    {"application/merge-patch+json",
     R"({"metadata":{"labels":{"x":"y","a":null}},"spec":{"replicas":3},"data":{"k":"w"}})"},
    {"application/json-patch+json",
     R"([{"op":"add","path":"/metadata/labels","value":{"x":"y"}},{"op":"test","path":"/kind","value":"Pod"},{"op":"move","from":"/metadata/labels","path":"/metadata/annotations"}])"},
    {"application/strategic-merge-patch+json",
     R"({"spec":{"containers":[{"name":"c","image":"y"},{"$patch":"delete","name":"z"}],"$setElementOrder/containers":[{"name":"c"}]},"metadata":{"$patch":"merge","finalizers":["y.test/f"]}})"},
    {"application/apply-patch+yaml",
     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {m: n}}\ndata: {k: &a z, q: "
     "*a}\n"},
};

constexpr const char* kQueries[][2] = {{"labelSelector", "a in (b, c),!x,y!=z"},
                                       {"fieldSelector", "metadata.name=c,status.phase!=Running"},
                                       {"limit", "2"},
                                       {"continue", "eyJ2IjoiMSJ9"},
                                       {"resourceVersion", "0"},
                                       {"resourceVersionMatch", "NotOlderThan"},
                                       {"watch", "1"},
                                       {"allowWatchBookmarks", "true"},
                                       {"sendInitialEvents", "true"},
                                       {"timeoutSeconds", "1"},
                                       {"dryRun", "All"},
                                       {"fieldManager", "fuzz"},
                                       {"force", "true"},
                                       {"fieldValidation", "Strict"},
                                       {"propagationPolicy", "Foreground"},
                                       {"gracePeriodSeconds", "0"},
                                       {"orphanDependents", "true"},
                                       {"pretty", "true"},
                                       {"container", "c"},
                                       {"follow", "true"},
                                       {"tailLines", "3"},
                                       {"sinceSeconds", "5"}};

constexpr const char* kAccepts[] = {
    "application/json",
    "*/*",
    "",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
    "application/vnd.kubernetes.protobuf",
    "text/html;q=x"};

class Fuzzer {
 public:
  explicit Fuzzer(std::uint64_t seed)
      : mutator_(seed),
        storage_(std::move(*storage::open_storage({.path = "", .history_events = 64}))),
        api_(*storage_, clock_, log_, nullptr, options(seed)) {}

  /// One random request; checks its answer.
  void step() {
    Request request = make();
    const std::string shown = request.method + " " + request.path + " " + request.content_type +
                              " " + request.body.substr(0, 600);
    SCOPED_TRACE(shown);
    Response response = api_.handle(request);
    ++statuses[response.status];
    check(response);
    if (mutator_.chance(8)) {
      clock_.advance(std::chrono::seconds(mutator_.below(40)));
    }
    for (int n = 0; n < 20 && api_.work_once(); ++n) {
    }
  }

  std::map<int, int> statuses;  ///< answers by HTTP status

  /// Everything that is stored can be listed and read.
  void check_stored() {
    for (const Sample& sample : samples()) {
      Request request;
      request.method = "GET";
      request.path = sample.collection;
      const Response response = api_.handle(request);
      ASSERT_EQ(response.status, 200) << response.body;
      const auto list = Value::parse(response.body);
      ASSERT_TRUE(list.ok()) << sample.collection;
      for (const Value& item : list->find("items")->items()) {
        Request one;
        one.method = "GET";
        one.path = sample.collection + "/" + item.at_path({"metadata", "name"})->as_string();
        EXPECT_EQ(api_.handle(one).status, 200) << one.path;
      }
    }
  }

 private:
  static apiserver::ApiOptions options(std::uint64_t seed) {
    apiserver::ApiOptions out;
    out.seed = static_cast<std::uint32_t>(seed) + 1;
    return out;
  }

  Request make() {
    const Sample& sample = samples()[mutator_.below(samples().size())];
    Value object = *Value::parse(sample.object);
    Request request;
    request.user_agent = "fuzz/1";
    request.accept = kAccepts[mutator_.below(mutator_.chance(3) ? std::size(kAccepts) : 3)];
    request.content_type = "application/json";
    request.path = sample.collection;
    const Value* named = object.at_path({"metadata", "name"});
    const std::string name = named == nullptr ? "r-0" : named->as_string();
    switch (mutator_.below(8)) {
      case 0:
        request.method = "GET";
        if (mutator_.chance(2)) request.path += "/" + name;
        if (mutator_.chance(6)) request.path = mutator_.chance(2) ? "/apis" : "/openapi/v3";
        break;
      case 1:
      case 2:
      case 3:
        request.method = "POST";
        break;
      case 4:
        request.method = "PUT";
        request.path += "/" + name;
        break;
      case 5: {
        const auto& patch = kPatches[mutator_.below(std::size(kPatches))];
        request.method = "PATCH";
        request.path += "/" + name;
        request.content_type = patch[0];
        request.body = patch[1];
        break;
      }
      case 6:
        request.method = "DELETE";
        if (!mutator_.chance(4)) request.path += "/" + name;
        if (mutator_.chance(2)) {
          request.body =
              R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Foreground","preconditions":{"uid":"u","resourceVersion":"1"}})";
        }
        break;
      default:
        request.method = mutator_.chance(2) ? "PATCH" : "PUT";
        request.path += "/" + name + (mutator_.chance(3) ? "/scale" : "/status");
        if (request.method == "PATCH") request.content_type = kPatches[mutator_.below(3)][0];
    }
    for (std::size_t n = mutator_.below(3); n > 0; --n) {
      const auto& query = kQueries[mutator_.below(std::size(kQueries))];
      std::string value = query[1];
      if (mutator_.chance(3)) mutator_.damage(value);
      request.query.emplace_back(query[0], value);
    }
    if (request.method == "POST" || request.method == "PUT") {
      for (std::size_t n = mutator_.below(4); n > 0; --n) mutator_.change(object);
      request.body = object.dump();
    } else if (request.method == "PATCH" && !request.body.empty()) {
      if (auto document = Value::parse(request.body); document.ok() && mutator_.chance(2)) {
        for (std::size_t n = mutator_.below(3); n > 0; --n) mutator_.change(*document);
        request.body = document->dump();
      }
    } else if (request.method == "PATCH") {
      for (std::size_t n = mutator_.below(3); n > 0; --n) mutator_.change(object);
      request.body = object.dump();
    }
    if (mutator_.chance(5)) mutator_.damage(request.body);
    if (mutator_.chance(12)) mutator_.damage(request.path);
    if (mutator_.chance(20)) mutator_.damage(request.content_type);
    if (mutator_.chance(20)) mutator_.damage(request.accept);
    if (mutator_.chance(40)) mutator_.damage(request.method);
    return request;
  }

  void check(Response& response) {
    EXPECT_GE(response.status, 200);
    // The real server answers some nonsense with a bare 500, and so do we; InternalError is a bug.
    EXPECT_EQ(response.body.find("InternalError"), std::string::npos) << response.body;
    EXPECT_TRUE(response.status <= 500) << response.body;
    if (response.stream) {
      for (int n = 0; n < 5; ++n) {
        const std::string piece = response.stream->take(4096);
        clock_.advance(std::chrono::milliseconds(300));
        if (piece.empty() && response.stream->ended()) break;
      }
      return;
    }
    if (response.content_type.starts_with("application/json") && !response.body.empty()) {
      const auto body = Value::parse(response.body);
      ASSERT_TRUE(body.ok()) << response.body.substr(0, 1000);
      if (response.status >= 400) {
        EXPECT_EQ(body->find("kind") ? body->find("kind")->as_string() : "", "Status")
            << response.body;
        EXPECT_EQ(body->find("code") ? body->find("code")->as_int() : 0, response.status);
      }
    }
  }

  Mutator mutator_;
  support::ManualClock clock_;
  struct Silent final : LogSink {
    void write(const std::string&) override {}
  } sink_;
  Logger log_{sink_};
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
};

TEST(ApiFuzz, EveryRequestGetsAnAnswerAndWhatIsStoredStaysReadable) {
  // More of them by hand: MILLRACE_FUZZ_SEEDS=2000 build/dev/bin/fuzz_test
  const char* wanted = std::getenv("MILLRACE_FUZZ_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 30 : std::strtoull(wanted, nullptr, 10);
  std::map<int, int> statuses;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fuzzer fuzzer(seed);
    for (int n = 0; n < 600; ++n) {
      fuzzer.step();
      if (testing::Test::HasFailure()) return;
    }
    fuzzer.check_stored();
    if (testing::Test::HasFailure()) return;
    for (const auto& [status, count] : fuzzer.statuses) statuses[status] += count;
  }
  // The requests are good enough to get everywhere.
  for (const int status : {200, 201, 400, 404, 405, 409, 415, 422}) {
    EXPECT_GT(statuses[status], 10) << "answers with status " << status;
  }
}

}  // namespace
}  // namespace millrace::fuzz
