#include "local/apiserver/table.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/age_text.h"
#include "local/apiserver/json_path.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

const Time kNow = *parse_time("2026-11-21T08:30:00Z");

Value parse(const std::string& json) {
  auto value = Value::parse(json);
  EXPECT_TRUE(value.ok()) << json;
  return value.ok() ? *value : Value();
}

const schema::Kind& kind(std::string_view group, std::string_view plural) {
  const schema::Kind* found = schema::find_kind(group, "v1", plural);
  EXPECT_NE(found, nullptr) << plural;
  return *found;
}

std::string cells(const std::string& json, const schema::Kind& of) {
  return table_row(parse(json), of, IncludeObject::None, kNow).find("cells")->dump();
}

const std::string kMeta = R"("metadata":{"name":"x","creationTimestamp":"2026-11-21T08:25:00Z"})";

TEST(HumanDuration, IsAsPreciseAsPeopleNeed) {
  using namespace std::chrono_literals;
  const struct {
    std::chrono::seconds duration;
    const char* want;
  } cases[] = {
      {-5s, "<invalid>"},   {-1s, "0s"},           {0s, "0s"},          {119s, "119s"},
      {120s, "2m"},         {311s, "5m11s"},       {10min + 5s, "10m"}, {179min, "179m"},
      {3h, "3h"},           {3h + 1min, "3h1m"},   {8h + 5min, "8h"},   {47h, "47h"},
      {48h, "2d"},          {50h, "2d2h"},         {24h * 8, "8d"},     {24h * 324, "324d"},
      {24h * 800, "2y70d"}, {24h * 365 * 9, "9y"},
  };
  for (const auto& c : cases) EXPECT_EQ(human_duration(c.duration), c.want);
}

TEST(JsonPath, FindsMembersItemsAndMatches) {
  const Value object = parse(R"({"a":{"b":[{"type":"X","v":1},{"type":"Ready","v":2}]}})");
  const struct {
    const char* path;
    const char* want;
  } cases[] = {
      {".a.b[0].v", "1"},
      {".a.b[?(@.type==\"Ready\")].v", "2"},
      {".a.b[?(@.type=='Ready')].type", "\"Ready\""},
      {".a.b[9].v", ""},
      {".a.none.v", ""},
      {".a.b[?(@.type==\"None\")].v", ""},
      {".a.b[", ""},
      {"a", ""},
  };
  for (const auto& c : cases) {
    const Value* found = at_json_path(object, c.path);
    EXPECT_EQ(found == nullptr ? "" : found->dump(), c.want) << c.path;
  }
}

std::string pod(const std::string& spec, const std::string& status, const std::string& more = "") {
  return "{" + kMeta.substr(0, kMeta.size() - 1) + more + "},\"spec\":{" + spec + "},\"status\":{" +
         status + "}}";
}

TEST(PodRow, SaysHowThePodIs) {
  const std::string one = R"("nodeName":"n","containers":[{"name":"a"}])";
  const std::string init = one + R"(,"initContainers":[{"name":"i"},{"name":"k"}])";
  const auto status = [](const std::string& state, const std::string& rest = "") {
    return R"("containerStatuses":[{"name":"a","state":{)" + state + "}" + rest + "}]";
  };
  const auto init_status = [](const std::string& state) {
    return R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)" + state + "}}]";
  };
  const struct {
    const char* name;
    std::string json;
    const char* want;  // Ready, Status, Restarts
  } cases[] = {
      {"new", pod(one, R"("phase":"Pending")"), R"("0/1","Pending","0")"},
      {"running", pod(one, R"("phase":"Running",)" + status(R"("running":{})", R"(,"ready":true)")),
       R"("1/1","Running","0")"},
      {"restarted",
       pod(one, R"("phase":"Running",)" +
                    status(R"("running":{})",
                           R"(,"ready":true,"restartCount":3,"lastState":{"terminated":
                              {"finishedAt":"2026-11-21T08:25:00Z"}})")),
       R"x("1/1","Running","3 (5m ago)")x"},
      {"completed",
       pod(one, R"("phase":"Succeeded",)" +
                    status(R"("terminated":{"exitCode":0,"reason":"Completed"})")),
       R"("0/1","Completed","0")"},
      {"failed without a reason",
       pod(one, R"("phase":"Failed",)" + status(R"("terminated":{"exitCode":1})")),
       R"("0/1","ExitCode:1","0")"},
      {"killed",
       pod(one, R"("phase":"Failed",)" + status(R"("terminated":{"exitCode":137,"signal":9})")),
       R"("0/1","Signal:9","0")"},
      {"backing off",
       pod(one, R"("phase":"Running",)" + status(R"("waiting":{"reason":"CrashLoopBackOff"})")),
       R"("0/1","CrashLoopBackOff","0")"},
      {"evicted", pod(one, R"("phase":"Failed","reason":"Evicted")"), R"("0/1","Evicted","0")"},
      {"going", pod(one, R"("phase":"Running")", R"(,"deletionTimestamp":"2026-11-21T08:29:00Z")"),
       R"("0/1","Terminating","0")"},
      {"gone and done",
       pod(one, R"("phase":"Failed")", R"(,"deletionTimestamp":"2026-11-21T08:29:00Z")"),
       R"("0/1","Failed","0")"},
      {"first init container", pod(init, init_status(R"("running":{})")),
       R"("0/1","Init:0/2","0")"},
      {"init container failed",
       pod(init, init_status(R"("terminated":{"exitCode":1,"reason":"Error"})")),
       R"("0/1","Init:Error","0")"},
      {"init container waits", pod(init, init_status(R"("waiting":{"reason":"ImagePullBackOff"})")),
       R"("0/1","Init:ImagePullBackOff","0")"},
  };
  const schema::Kind& pods = kind("", "pods");
  for (const auto& c : cases) {
    EXPECT_EQ(cells(c.json, pods).substr(0, std::string(c.want).size() + 5),
              R"(["x",)" + std::string(c.want))
        << c.name;
  }
  EXPECT_EQ(cells(cases[0].json, pods),
            R"(["x","0/1","Pending","0","5m","<none>","n","<none>","<none>"])");
  const Value done = table_row(parse(cases[3].json), pods, IncludeObject::None, kNow);
  EXPECT_EQ(done.find("conditions")->dump(),
            R"([{"type":"Completed","status":"True","reason":"Succeeded",)"
            R"("message":"The pod has completed successfully."}])");
}

TEST(TableRow, HasTheCellsOfEachKind) {
  const std::string spec =
      R"("replicas":2,"selector":{"matchLabels":{"b":"2","a":"1"}},"template":{"spec":{"containers":
         [{"name":"c","image":"i"},{"name":"d","image":"j"}]}})";
  const struct {
    const char* group;
    const char* plural;
    std::string rest;
    const char* want;
  } cases[] = {
      {"", "configmaps", R"("data":{"a":"b"},"binaryData":{"c":"d"})", R"(["x",2,"5m"])"},
      {"", "secrets", R"("type":"Opaque","data":{"a":"b"})", R"(["x","Opaque",1,"5m"])"},
      {"", "serviceaccounts", R"("secrets":[])", R"(["x",0,"5m"])"},
      {"", "namespaces", R"("status":{"phase":"Active"})", R"(["x","Active","5m"])"},
      {"", "services",
       R"("spec":{"type":"NodePort","clusterIPs":["10.96.0.2"],"ports":[{"port":80,"nodePort":30001,
          "protocol":"TCP"},{"port":53,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}})",
       R"(["x","NodePort","10.96.0.2","<none>","80:30001/TCP,53/UDP","5m","a=1,b=2"])"},
      {"", "services", R"("spec":{"type":"ExternalName","externalName":"a.b"})",
       R"(["x","ExternalName","<none>","a.b","<none>","5m","<none>"])"},
      {"", "services", R"("spec":{"type":"LoadBalancer","clusterIPs":["10.96.0.2"]})",
       R"(["x","LoadBalancer","10.96.0.2","<pending>","<none>","5m","<none>"])"},
      {"apps", "deployments",
       R"("spec":{)" + spec + R"(},"status":{"readyReplicas":1,"updatedReplicas":2})",
       R"(["x","1/2",2,0,"5m","c,d","i,j","a=1,b=2"])"},
      {"apps", "controllerrevisions", R"("revision":3)", R"(["x","<none>",3,"5m"])"},
      {"batch", "jobs",
       R"("spec":{"completions":1,)" + spec +
           R"(},"status":{"startTime":"2026-11-21T08:29:00Z","active":1})",
       R"(["x","Running","0/1","60s","5m","c,d","i,j","a=1,b=2"])"},
      {"batch", "jobs",
       R"("spec":{"parallelism":3},"status":{"startTime":"2026-11-21T08:29:00Z","succeeded":1,
          "completionTime":"2026-11-21T08:29:05Z","conditions":[{"type":"Complete","status":"True"}]})",
       R"(["x","Complete","1/1 of 3","5s","5m","","","<none>"])"},
      {"coordination.k8s.io", "leases", R"("spec":{"holderIdentity":"h"})", R"(["x","h","5m"])"},
      {"", "events",
       R"("involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.x"},"reason":"R","type":"Normal",
          "message":" hello\n","source":{"component":"c","host":"h"},
          "firstTimestamp":"2026-11-21T08:20:00Z","lastTimestamp":"2026-11-21T08:29:00Z","count":3)",
       R"(["60s","Normal","R","pod/p","spec.x","c, h","hello","10m",3,"x"])"},
      {"events.k8s.io", "events",
       R"("regarding":{"kind":"Pod","name":"p"},"reason":"R","type":"Normal","note":"hello",
          "reportingController":"m/c","reportingInstance":"i",
          "eventTime":"2026-11-21T08:20:00.000000Z","series":{"count":2,
          "lastObservedTime":"2026-11-21T08:29:00.000000Z"})",
       R"(["60s","Normal","R","pod/p","","m/c, i","hello","10m",2,"x"])"},
      {"", "nodes",
       R"("spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],
          "nodeInfo":{"kubeletVersion":"v1"},"addresses":[{"type":"InternalIP","address":"127.0.0.1"}]})",
       R"(["x","Ready,SchedulingDisabled","<none>","5m","v1","127.0.0.1","<none>","<unknown>",)"
       R"("<unknown>","<unknown>"])"},
      {"millrace.dev", "pipelines",
       R"("status":{"conditions":[{"type":"Ready","status":"True","reason":"Valid","message":"m"}],
          "schedule":{"lastTick":"2026-11-21T08:20:00Z"},"idle":true})",
       R"(["x","True","Valid",null,null,"10m",null,true,"5m",null,null,"m"])"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(cells("{" + kMeta + "," + c.rest + "}", kind(c.group, c.plural)), c.want) << c.plural;
  }
}

TEST(TableRow, HasACellForEveryColumnOfEveryKind) {
  for (const schema::Kind& one : schema::kinds()) {
    const Value row = table_row(parse("{" + kMeta + "}"), one, IncludeObject::None, kNow);
    EXPECT_EQ(row.find("cells")->items().size(), one.columns.size()) << one.resource.plural;
    if (one.custom) continue;
    for (std::size_t i = 0; i < one.columns.size(); ++i) {
      EXPECT_FALSE(row.find("cells")->items()[i].is_null())
          << one.resource.plural << " " << one.columns[i].name;
    }
  }
}

TEST(TableRow, CarriesAsMuchOfTheObjectAsAskedFor) {
  const Value object = parse("{\"kind\":\"ConfigMap\"," + kMeta + ",\"data\":{\"a\":\"b\"}}");
  const auto carried = [&](IncludeObject include) {
    return table_row(object, kind("", "configmaps"), include, kNow).find("object")->dump();
  };
  EXPECT_EQ(carried(IncludeObject::None), "null");
  EXPECT_EQ(carried(IncludeObject::Object), object.dump());
  EXPECT_EQ(carried(IncludeObject::Metadata),
            R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",)" + kMeta + "}");
  EXPECT_EQ(parse_include_object(""), IncludeObject::Metadata);
  EXPECT_EQ(parse_include_object("None"), IncludeObject::None);
  EXPECT_EQ(parse_include_object("none"), std::nullopt);
}

TEST(MakeTable, NamesItsColumnsOnlyWhenAsked) {
  const Value metadata = parse(R"({"resourceVersion":"7"})");
  const Value with = make_table(kind("", "configmaps"), metadata, {}, WithColumns::Yes);
  EXPECT_EQ(with.find("columnDefinitions")->items().size(), 3U);
  EXPECT_EQ(with.find("columnDefinitions")->items()[0].find("format")->as_string(), "name");
  EXPECT_EQ(make_table(kind("", "configmaps"), metadata, {Value("row")}, WithColumns::No).dump(),
            R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},)"
            R"("columnDefinitions":null,"rows":["row"]})");
}

}  // namespace
}  // namespace millrace::apiserver
