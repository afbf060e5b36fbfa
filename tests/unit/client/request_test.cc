#include "kubeclient/client/request.h"

#include <gtest/gtest.h>

#include "kubeclient/api/meta.h"

namespace millrace::client {
namespace {

constexpr api::ApiResource kPods{"", "v1", "pods", "Pod", true};
constexpr api::ApiResource kJobs{"batch", "v1", "jobs", "Job", true};

const CallOptions kDry{.dry_run = true};

TEST(Request, SaysEachVerbInOneWay) {
  const struct {
    const char* name;
    Result<Operation> made;
    const char* verb;
    const char* what;   // method and path
    const char* query;  // "" or with '?'
    const char* content_type;
    const char* accept;
  } cases[] = {
      {"get", get_request(kJobs, {"a", "b"}), "get", "GET /apis/batch/v1/namespaces/a/jobs/b", "",
       "application/json", "application/json"},
      {"list of all", list_request(kPods, "", {}), "list", "GET /api/v1/pods", "",
       "application/json", "application/json"},
      {"list with everything",
       list_request(kPods, "a",
                    {.label_selector = "x=1",
                     .field_selector = "f=2",
                     .limit = 5,
                     .continue_token = "t",
                     .resource_version = "7",
                     .resource_version_match = "Exact"}),
       "list", "GET /api/v1/namespaces/a/pods",
       "?labelSelector=x%3D1&fieldSelector=f%3D2&limit=5&continue=t&resourceVersion=7"
       "&resourceVersionMatch=Exact",
       "application/json", "application/json"},
      {"watch as we mostly do", watch_request(kPods, "", {.resource_version = "7"}), "watch",
       "GET /api/v1/pods", "?watch=1&allowWatchBookmarks=true&resourceVersion=7",
       "application/json", "application/json"},
      {"watch from the first object on",
       watch_request(
           kPods, "a",
           {.bookmarks = false, .send_initial_events = true, .timeout = std::chrono::seconds(9)}),
       "watch", "GET /api/v1/namespaces/a/pods",
       "?watch=1&timeoutSeconds=9&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
       "application/json", "application/json"},
      {"create", create_request(kPods, "a", "{}", {}), "create", "POST /api/v1/namespaces/a/pods",
       "", "application/json", "application/json"},
      {"create that changes nothing", create_request(kPods, "a", "{}", kDry), "create",
       "POST /api/v1/namespaces/a/pods", "?dryRun=All", "application/json", "application/json"},
      {"replace of a status", replace_request(kPods, {"a", "b"}, "{}", "status", kDry), "update",
       "PUT /api/v1/namespaces/a/pods/b/status", "?dryRun=All", "application/json",
       "application/json"},
      {"merge patch", patch_request(kPods, {"a", "b"}, PatchType::Merge, "{}", {}, {}), "patch",
       "PATCH /api/v1/namespaces/a/pods/b", "", "application/merge-patch+json", "application/json"},
      {"JSON patch; force is for apply only",
       patch_request(kPods, {"a", "b"}, PatchType::Json, "[]",
                     {.subresource = "status", .field_manager = "m", .force = true}, {}),
       "patch", "PATCH /api/v1/namespaces/a/pods/b/status", "?fieldManager=m",
       "application/json-patch+json", "application/json"},
      {"apply",
       patch_request(kPods, {"a", "b"}, PatchType::Apply, "{}",
                     {.field_manager = "m", .force = true}, kDry),
       "apply", "PATCH /api/v1/namespaces/a/pods/b", "?dryRun=All&fieldManager=m&force=true",
       "application/apply-patch+yaml", "application/json"},
      {"delete says it all in the body", delete_request(kPods, {"a", "b"}, {}, kDry), "delete",
       "DELETE /api/v1/namespaces/a/pods/b", "", "application/json", "application/json"},
      {"log", log_request({"a", "b"}, {}), "get", "GET /api/v1/namespaces/a/pods/b/log", "",
       "application/json", "*/*"},
      {"log with everything",
       log_request({"a", "b"}, {.container = "c",
                                .follow = true,
                                .previous = true,
                                .timestamps = true,
                                .tail_lines = 0,
                                .limit_bytes = 9}),
       "get", "GET /api/v1/namespaces/a/pods/b/log",
       "?container=c&follow=true&previous=true&timestamps=true&tailLines=0&limitBytes=9",
       "application/json", "*/*"},
      {"any path", raw_request("/version?timeout=5s"), "get", "GET /version", "?timeout=5s",
       "application/json", "application/json"},
  };
  for (const auto& c : cases) {
    ASSERT_TRUE(c.made.ok()) << c.name;
    const Operation& op = *c.made;
    const std::size_t mark = std::min(op.path.find('?'), op.path.size());
    EXPECT_STREQ(op.verb, c.verb) << c.name;
    EXPECT_EQ(op.what(), c.what) << c.name;
    EXPECT_EQ(op.path.substr(mark), c.query) << c.name;
    EXPECT_STREQ(op.content_type, c.content_type) << c.name;
    EXPECT_STREQ(op.accept, c.accept) << c.name;
    EXPECT_EQ(op.is_read(), std::string_view(c.what).starts_with("GET")) << c.name;
  }
}

TEST(Request, NamesTheServerInMessages) {
  EXPECT_EQ(get_request(kPods, {"a", "b"})->what("https://h:1/x"),
            "GET https://h:1/x/api/v1/namespaces/a/pods/b");
}

TEST(Request, CountsResourcesByPluralAndLogsApart) {
  EXPECT_EQ(get_request(kPods, {"a", "b"})->resource, "pods");
  EXPECT_EQ(log_request({"a", "b"}, {})->resource, "pods/log");
  EXPECT_EQ(raw_request("/version")->resource, "");
}

TEST(Request, DeletesWithExactlyWhatWasAsked) {
  const std::string head = R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":)";
  const struct {
    DeleteOptions del;
    bool dry_run;
    std::string want;
  } cases[] = {
      {{}, false, head + R"("Background"})"},
      {{.propagation = Propagation::Foreground}, false, head + R"("Foreground"})"},
      {{.propagation = Propagation::Orphan}, true, head + R"("Orphan","dryRun":["All"]})"},
      {{.uid = "u"}, false, head + R"("Background","preconditions":{"uid":"u"}})"},
      {{.uid = "u", .resource_version = "7"},
       false,
       head + R"("Background","preconditions":{"uid":"u","resourceVersion":"7"}})"},
      {{.grace_seconds = 0}, false, head + R"("Background","gracePeriodSeconds":0})"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(delete_request(kPods, {"a", "b"}, c.del, {.dry_run = c.dry_run})->body, c.want);
  }
}

TEST(Request, RefusesWhatNoServerNeedsToSee) {
  const std::pair<const char*, Result<Operation>> cases[] = {
      {"create without namespace", create_request(kPods, "", "{}", {})},
      {"get of a climbing name", get_request(kPods, {"a", ".."})},
      {"log of a name with a slash", log_request({"a", "b/c"}, {})},
      {"apply without manager", patch_request(kPods, {"a", "b"}, PatchType::Apply, "{}", {}, {})},
      {"raw path without slash", raw_request("version")},
  };
  for (const auto& [name, made] : cases) {
    ASSERT_FALSE(made.ok()) << name;
    EXPECT_EQ(made.error().code, Code::Invalid) << name;
  }
}

}  // namespace
}  // namespace millrace::client
