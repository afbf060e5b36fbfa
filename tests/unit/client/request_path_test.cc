#include "kubeclient/client/request_path.h"

#include <gtest/gtest.h>

#include "kubeclient/api/meta.h"

namespace millrace::client {
namespace {

constexpr api::ApiResource kPods{"", "v1", "pods", "Pod", true};
constexpr api::ApiResource kJobs{"batch", "v1", "jobs", "Job", true};
constexpr api::ApiResource kNodes{"", "v1", "nodes", "Node", false};

TEST(RequestPath, PointsAtCollections) {
  EXPECT_EQ(collection_path(kPods, "ns").value(), "/api/v1/namespaces/ns/pods");
  EXPECT_EQ(collection_path(kJobs, "").value(), "/apis/batch/v1/jobs");
  EXPECT_EQ(collection_path(kNodes, "").value(), "/api/v1/nodes");
  EXPECT_EQ(collection_path(kNodes, "ns").error().code, Code::Invalid);
}

TEST(RequestPath, PointsAtObjects) {
  const struct {
    const char* name;
    api::ApiResource resource;
    ObjectKey key;
    const char* subresource;
    const char* want;  // "" is Invalid
  } cases[] = {
      {"core", kPods, {"a", "b"}, "", "/api/v1/namespaces/a/pods/b"},
      {"group", kJobs, {"a", "b"}, "", "/apis/batch/v1/namespaces/a/jobs/b"},
      {"subresource", kJobs, {"a", "b"}, "status", "/apis/batch/v1/namespaces/a/jobs/b/status"},
      {"cluster-scoped", kNodes, {"", "n"}, "", "/api/v1/nodes/n"},
      {"RBAC names hold colons", kNodes, {"", "system:x"}, "", "/api/v1/nodes/system%3Ax"},
      {"blank", kPods, {"a", "b c"}, "", "/api/v1/namespaces/a/pods/b%20c"},
      {"query is escaped", kPods, {"a", "b?x=y"}, "", "/api/v1/namespaces/a/pods/b%3Fx%3Dy"},
      {"no namespace", kPods, {"", "b"}, "", ""},
      {"namespace for a node", kNodes, {"a", "b"}, "", ""},
      {"no name", kPods, {"a", ""}, "", ""},
      {"climbing name", kPods, {"a", ".."}, "", ""},
      {"slash in name", kPods, {"a", "b/log"}, "", ""},
      {"percent in name", kPods, {"a", "b%2flog"}, "", ""},
      {"climbing namespace", kPods, {"..", "b"}, "", ""},
      {"slash in namespace", kPods, {"a/pods", "b"}, "", ""},
      {"slash in subresource", kPods, {"a", "b"}, "log/x", ""},
  };
  for (const auto& c : cases) {
    const auto path = object_path(c.resource, c.key, c.subresource);
    if (*c.want == '\0') {
      EXPECT_FALSE(path.ok()) << c.name;
      if (!path.ok()) {
        EXPECT_EQ(path.error().code, Code::Invalid) << c.name;
      }
    } else {
      EXPECT_EQ(path.value(), c.want) << c.name;
    }
  }
}

TEST(Query, EscapesValuesAndLeavesOutEmptyOnes) {
  Query query;
  EXPECT_EQ(query.text(), "");
  query.add("empty", "").add("labelSelector", "a=b,c in (d)").add("limit", "5");
  EXPECT_EQ(query.text(), "?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
}

}  // namespace
}  // namespace millrace::client
