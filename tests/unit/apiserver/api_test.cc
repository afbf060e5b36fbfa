#include "local/apiserver/api.h"

#include "tests/unit/apiserver/api_fixture.h"

namespace millrace::apiserver {
namespace {

TEST_F(ApiFixture, ServesTheRoundOfOneObject) {
  Reply reply = create_map("a", R"(,"data":{"k":"v"})");
  ASSERT_EQ(reply.status, 201) << reply.response.body;
  EXPECT_EQ(reply.text({"kind"}), "ConfigMap");
  EXPECT_EQ(reply.text({"metadata", "namespace"}), "default");
  EXPECT_EQ(reply.text({"metadata", "creationTimestamp"}), "2026-11-21T00:00:00Z");
  const std::string version = reply.text({"metadata", "resourceVersion"});
  EXPECT_FALSE(version.empty());
  EXPECT_EQ(reply.text({"metadata", "uid"}).size(), 36U);

  EXPECT_EQ(call("GET", std::string(kMaps) + "/a").body, reply.body);
  reply = call("PATCH", std::string(kMaps) + "/a", R"({"data":{"k":"w"}})", kMerge);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.text({"data", "k"}), "w");
  EXPECT_NE(reply.text({"metadata", "resourceVersion"}), version);
  reply = call("DELETE", std::string(kMaps) + "/a");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.text({"status"}), "Success");
  EXPECT_EQ(call("GET", std::string(kMaps) + "/a").message(), "configmaps \"a\" not found");
}

TEST_F(ApiFixture, RefusesAsTheRealServerDoes) {
  ASSERT_EQ(create_map("a").status, 201);
  const std::string maps = kMaps;
  const struct {
    const char* name;
    const char* method;
    std::string where;
    const char* body;
    int status;
    const char* message;
  } cases[] = {
      {"unknown resource", "GET", "/api/v1/foos", "", 404,
       "the server could not find the requested resource"},
      {"wrong verb", "PUT", maps, "{}", 405,
       "the server does not allow this method on the requested resource"},
      {"absent", "GET", "/apis/batch/v1/namespaces/default/jobs/x", "", 404,
       "jobs.batch \"x\" not found"},
      {"no JSON", "POST", maps, "garbage", 400,
       "the object provided is unrecognized (must be of type ConfigMap): couldn't get "
       "version/kind; json parse error: invalid character 'g' looking for beginning of value "
       "(67617262616765)"},
      {"exists", "POST", maps, R"({"metadata":{"name":"a"}})", 409,
       "configmaps \"a\" already exists"},
      {"wrong kind", "POST", maps, R"({"apiVersion":"v1","kind":"Secret"})", 400,
       "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to "
       "(core.ConfigMap): unknown conversion"},
      {"wrong namespace", "POST", maps, R"({"metadata":{"name":"b","namespace":"o"}})", 400,
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"absent namespace", "POST", "/api/v1/namespaces/no/configmaps",
       R"({"metadata":{"name":"b"}})", 404, "namespaces \"no\" not found"},
      {"version at birth", "POST", maps, R"({"metadata":{"name":"b","resourceVersion":"5"}})", 500,
       "resourceVersion should not be set on objects to be created"},
      {"strict", "POST", maps + "?fieldValidation=Strict",
       R"({"metadata":{"name":"b"},"foo":1,"data":{"a":"1","a":"2"}})", 400,
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: "
       "duplicate field \"data.a\", unknown field \"foo\""},
      {"old version", "PUT", maps + "/a", R"({"metadata":{"name":"a","resourceVersion":"1"}})", 409,
       "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please "
       "apply your changes to the latest version and try again"},
      {"other name", "PUT", maps + "/a", R"({"metadata":{"name":"b"}})", 400,
       "the name of the object (b) does not match the name on the URL (a)"},
      {"no name", "PUT", maps + "/a", "{}", 400,
       "the name of the object (a based on URL) was undeterminable: name must be provided"},
      {"future", "GET", maps + "?resourceVersion=99999999", "", 504, nullptr},
      {"limit", "GET", maps + "?limit=x", "", 400,
       "strconv.ParseInt: parsing \"x\": invalid syntax"},
      {"uid", "DELETE", maps + "/a", R"({"preconditions":{"uid":"x"}})", 409, nullptr},
      {"immortal", "DELETE", "/api/v1/namespaces/default", "", 403,
       "namespaces \"default\" is forbidden: this namespace may not be deleted"},
  };
  for (const auto& c : cases) {
    const Reply reply = call(c.method, c.where, c.body);
    EXPECT_EQ(reply.status, c.status) << c.name << ": " << reply.response.body;
    if (c.message != nullptr) {
      EXPECT_EQ(reply.message(), c.message) << c.name;
    }
    EXPECT_EQ(reply.text({"code"}), std::to_string(c.status)) << c.name;
  }
  EXPECT_EQ(call("GET", "/nothing").response.body, "404 page not found\n");
}

TEST_F(ApiFixture, WarnsAboutUnknownFieldsByDefault) {
  const Reply reply = create_map("a", R"(,"foo":1)");
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.header("Warning"), "299 - \"unknown field \\\"foo\\\"\"");
}

TEST_F(ApiFixture, WritesNothingForAChangeOfNothingAndForADryRun) {
  ASSERT_EQ(create_map("a", R"(,"data":{"k":"v"})").status, 201);
  const auto version = storage_->version();
  EXPECT_EQ(call("PATCH", std::string(kMaps) + "/a", R"({"data":{"k":"v"}})", kMerge).status, 200);
  EXPECT_EQ(call("POST", std::string(kMaps) + "?dryRun=All", R"({"metadata":{"name":"b"}})").status,
            201);
  EXPECT_EQ(call("DELETE", std::string(kMaps) + "/a?dryRun=All").status, 200);
  EXPECT_EQ(storage_->version(), version);
}

TEST_F(ApiFixture, GeneratesNames) {
  const Reply reply = call("POST", kMaps, R"({"metadata":{"generateName":"g-"}})");
  ASSERT_EQ(reply.status, 201) << reply.response.body;
  EXPECT_EQ(reply.text({"metadata", "name"}).size(), 7U);
}

TEST_F(ApiFixture, ListsInPagesOfOneMoment) {
  for (const char* name : {"a", "b", "c"}) ASSERT_EQ(create_map(name).status, 201);
  Reply page = call("GET", std::string(kMaps) + "?limit=2");
  EXPECT_EQ(names(page), "a b");
  EXPECT_EQ(page.text({"metadata", "remainingItemCount"}), "1");
  ASSERT_EQ(create_map("d").status, 201);
  const std::string rest =
      std::string(kMaps) + "?limit=2&continue=" + page.text({"metadata", "continue"});
  page = call("GET", rest);
  EXPECT_EQ(names(page), "c");
  EXPECT_EQ(page.text({"metadata", "continue"}), "");
  storage_->compact();
  page = call("GET", rest);
  EXPECT_EQ(page.status, 410);
  EXPECT_EQ(page.text({"reason"}), "Expired");
  const Reply last =
      call("GET", std::string(kMaps) + "?continue=" + page.text({"metadata", "continue"}));
  EXPECT_EQ(names(last), "c d");
}

TEST_F(ApiFixture, ListsWhatSelectorsChoose) {
  ASSERT_EQ(call("POST", kMaps, R"({"metadata":{"name":"a","labels":{"x":"1"}}})").status, 201);
  ASSERT_EQ(create_map("b").status, 201);
  EXPECT_EQ(names(call("GET", std::string(kMaps) + "?labelSelector=x=1")), "a");
  EXPECT_EQ(names(call("GET", std::string(kMaps) + "?labelSelector=!x&limit=5")), "b");
  EXPECT_EQ(names(call("GET", std::string(kMaps) + "?fieldSelector=metadata.name=b")), "b");
  EXPECT_EQ(names(call("GET", "/api/v1/configmaps?fieldSelector=metadata.name!=b")), "a");
}

TEST_F(ApiFixture, KeepsADeletedObjectUntilItsLastFinalizerIsGone) {
  const std::string one = std::string(kMaps) + "/f";
  ASSERT_EQ(call("POST", kMaps, R"({"metadata":{"name":"f","finalizers":["x.dev/y"]}})").status,
            201);
  EXPECT_NE(call("DELETE", one).text({"metadata", "deletionTimestamp"}), "");
  EXPECT_EQ(call("GET", one).status, 200);
  EXPECT_EQ(call("PATCH", one, R"({"metadata":{"finalizers":null}})", kMerge).status, 200);
  EXPECT_EQ(call("GET", one).status, 404);
}

TEST_F(ApiFixture, AppliesWithFieldManagers) {
  const std::string one = std::string(kMaps) + "/m?fieldManager=";
  const std::string body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '";
  EXPECT_EQ(call("PATCH", one + "x", body + "1'}\n", kApply).status, 201);
  EXPECT_EQ(call("PATCH", one + "x", body + "1'}\n", kApply).status, 200);
  const Reply reply = call("PATCH", one + "y", body + "2'}\n", kApply);
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.message(), "Apply failed with 1 conflict: conflict with \"x\": .data.a");
  EXPECT_EQ(call("PATCH", one + "y&force=true", body + "2'}\n", kApply).text({"data", "a"}), "2");
}

TEST_F(ApiFixture, SurvivesWhateverIsSent) {
  for (const char* body :
       {"", "null", "[]", "5", "\"x\"", R"({"metadata":5})", R"({"metadata":[]})",
        R"({"metadata":{"name":{}}})", R"({"metadata":{"labels":{"a":{}}}})"}) {
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
      for (const char* type :
           {"application/json", "application/yaml", kMerge, kApply, "application/json-patch+json",
            "application/strategic-merge-patch+json"}) {
        for (const char* where :
             {"/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods/x",
              "/apis/millrace.dev/v1/namespaces/default/pipelines/x",
              "/api/v1/namespaces/default/finalize",
              "/apis/apps/v1/namespaces/default/deployments/x/scale"}) {
          const Reply reply = call(method, std::string(where) + "?fieldManager=m", body, type);
          EXPECT_GE(reply.status, 200);
          EXPECT_NE(reply.text({"reason"}), "InternalError") << reply.response.body;
        }
      }
    }
  }
}

TEST_F(ApiFixture, AnswersInTheFormAskedFor) {
  ASSERT_EQ(create_map("a").status, 201);
  const std::string one = std::string(kMaps) + "/a";
  const auto get = [&](const char* accept) { return call("GET", one, "", "", accept); };
  EXPECT_EQ(get("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").text({"kind"}),
            "Table");
  EXPECT_EQ(get("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").text({"kind"}),
            "PartialObjectMetadata");
  EXPECT_EQ(get("application/vnd.kubernetes.protobuf,application/json").text({"kind"}),
            "ConfigMap");
  EXPECT_EQ(get("application/vnd.kubernetes.protobuf").status, 406);
  EXPECT_EQ(get("text/html").status, 406);
  EXPECT_EQ(get("application/yaml").response.content_type, "application/yaml");
}

/// The message with one field of bytes, all of it shorter than 128.
std::string bytes(int field, std::string_view content) {
  return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(content.size())} +
         std::string(content);
}

TEST_F(ApiFixture, ReadsProtobufForBuiltInKindsOnly) {
  constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";
  const auto body = [](std::string_view version, std::string_view kind, std::string_view raw) {
    return std::string("k8s\0", 4) + bytes(1, bytes(1, version) + bytes(2, kind)) + bytes(2, raw);
  };
  const auto map = [&](std::string_view value) {
    return body("v1", "ConfigMap",
                bytes(1, bytes(1, "m")) + bytes(2, bytes(1, "k") + bytes(2, value)));
  };
  const std::string one = std::string(kMaps) + "/m";
  const Reply created = call("POST", kMaps, map("1"), kProtobuf);
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.text({"data", "k"}), "1");
  EXPECT_EQ(call("PUT", one, map("2"), kProtobuf).text({"data", "k"}), "2");
  const Reply wrong = call("POST", kMaps, body("v1", "Secret", bytes(1, bytes(1, "m"))), kProtobuf);
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(call("POST", kMaps, body("v1", "ConfigMap", "\x0a"), kProtobuf).message(),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF");
  EXPECT_EQ(call("POST", kMaps, "{}", kProtobuf).message(),
            "the object provided is unrecognized (must be of type ConfigMap): provided data does "
            "not appear to be a protobuf message, expected prefix [107 56 115 0] ({})");
  const std::string options = body("v1", "DeleteOptions", bytes(2, bytes(1, "another-uid")));
  EXPECT_EQ(call("DELETE", one, options, kProtobuf).status, 409);
  EXPECT_EQ(call("DELETE", one, body("v1", "DeleteOptions", ""), kProtobuf).status, 200);
  EXPECT_EQ(call("POST", "/apis/millrace.dev/v1/namespaces/default/pipelines",
                 body("millrace.dev/v1", "Pipeline", ""), kProtobuf)
                .status,
            415);
  EXPECT_EQ(call("PATCH", one, map("3"), kProtobuf).status, 415);
  const std::string review = bytes(2, bytes(1, bytes(2, "get") + bytes(5, "pods")));
  EXPECT_EQ(call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                 body("authorization.k8s.io/v1", "SelfSubjectAccessReview", review), kProtobuf)
                .text({"status", "allowed"}),
            "true");
}

TEST_F(ApiFixture, AnswersWhatOneMayDo) {
  const char* path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
  const Reply reply = call("POST", path, R"({"spec":{"namespace":"default"}})");
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.text({"status", "resourceRules"}),
            R"([{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}])");
  EXPECT_EQ(reply.text({"status", "incomplete"}), "false");
  EXPECT_EQ(call("POST", path, R"({"spec":{}})").message(), "no namespace on request");
}

TEST_F(ApiFixture, GeneratesAnotherNameWhereTheFirstIsTakenAndAllFollowsIt) {
  // The same seed gives the same names: what they will be is seen on another server.
  const char* body =
      R"({"metadata":{"generateName":"j-"},"spec":{"template":{"spec":{"restartPolicy":"Never",
          "containers":[{"name":"c","image":"i"}]}}}})";
  const char* jobs = "/apis/batch/v1/namespaces/default/jobs";
  const std::string first = call("POST", jobs, body).text({"metadata", "name"});
  storage_ = open();
  ApiOptions options;
  options.seed = 7;
  api_ = std::make_unique<Api>(*storage_, clock_, log_, nullptr, options);
  std::string taken = body;
  taken.replace(taken.find("\"generateName\":\"j-\""), 19, "\"name\":\"" + first + "\"");
  {  // put in place by a server of its own, so as not to move the sequence
    ApiOptions other;
    other.seed = 8;
    Api writer(*storage_, clock_, log_, nullptr, other);
    Request request;
    request.method = "POST";
    request.path = jobs;
    request.content_type = "application/json";
    request.body = taken;
    ASSERT_EQ(writer.handle(request).status, 201);
  }
  const Reply second = call("POST", jobs, body);
  ASSERT_EQ(second.status, 201) << second.message();
  const std::string name = second.text({"metadata", "name"});
  EXPECT_NE(name, first);
  EXPECT_EQ(second.text({"metadata", "labels", "batch.kubernetes.io/job-name"}), name);
  EXPECT_EQ(second.text({"spec", "template", "metadata", "labels", "job-name"}), name);
}

TEST_F(ApiFixture, MarksAPodBeforeItGoes) {
  const char* pods = "/api/v1/namespaces/default/pods";
  ASSERT_EQ(call("POST", pods,
                 R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})")
                .status,
            201);
  const auto seen = storage_->subscribe("pods", storage_->version(), [] {});
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(call("DELETE", std::string(pods) + "/p").status, 200);
  const auto events = (*seen)->take(9);
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ((*events)[0].type, storage::EventType::Modified);
  EXPECT_NE((*events)[0].now->json.find("\"deletionGracePeriodSeconds\":0"), std::string::npos);
  EXPECT_EQ((*events)[1].type, storage::EventType::Deleted);
  EXPECT_LT((*events)[0].version, (*events)[1].version);
}

TEST_F(ApiFixture, WarnsOfWhatItDoesAllTheSame) {
  const struct {
    const char* name;
    std::string where;
    const char* body;
    const char* want;
  } cases[] = {
      {"dots in a pod's name", "/api/v1/namespaces/default/pods",
       R"({"metadata":{"name":"a.b"},"spec":{"containers":[{"name":"c","image":"i"}]}})",
       "hostname, which can result in surprising behavior"},
      {"thousandths of a byte", "/api/v1/namespaces/default/pods",
       R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i",
           "resources":{"limits":{"memory":"1500m"}}}]}})",
       "resources.limits[memory]: fractional byte value"},
      {"affinity without address", "/api/v1/namespaces/default/services",
       R"({"metadata":{"name":"s"},"spec":{"clusterIP":"None","sessionAffinity":"ClientIP"}})",
       "spec.SessionAffinity is ignored for headless services"},
      {"an owner twice", kMaps,
       R"({"metadata":{"name":"m","ownerReferences":[
           {"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"},
           {"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}]}})",
       "duplicate UID(s) observed: u"},
      {"nothing", kMaps, R"({"metadata":{"name":"n.m"}})", ""},
  };
  for (const auto& c : cases) {
    const Reply reply = call("POST", c.where, c.body);
    EXPECT_EQ(reply.status, 201) << c.name << reply.message();
    const std::string warning = reply.header("Warning");
    EXPECT_EQ(warning.empty(), *c.want == '\0') << c.name << ": " << warning;
    EXPECT_NE(warning.find(c.want), std::string::npos) << c.name << ": " << warning;
  }
}

TEST_F(ApiFixture, RefusesNullsOfAnAppliedCustomObject) {
  const Reply reply =
      call("PATCH", "/apis/millrace.dev/v1/namespaces/default/pipelines/p?fieldManager=m",
           R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":"p"},
          "spec":{"batchJob":{"serviceAccountName":null}}})",
           kApply);
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("spec.batchJob.serviceAccountName in body must be of type string"),
            std::string::npos)
      << reply.message();
}

}  // namespace
}  // namespace millrace::apiserver
