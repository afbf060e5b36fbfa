#include "kubeclient/client/status_error.h"

#include <gtest/gtest.h>

namespace millrace::client {

using namespace std::chrono_literals;

TEST(StatusError, MapsEveryAnswer) {
  using Delay = std::optional<std::chrono::milliseconds>;
  const struct {
    const char* name;
    int status;
    std::string body;
    Delay header;
    Code code;
    Delay delay;
    const char* says;
  } cases[] = {
      {"bad request",
       400,
       R"({"reason":"BadRequest","message":"no such field"})",
       {},
       Code::Invalid,
       {},
       "400 BadRequest: no such field"},
      {"unprocessable",
       422,
       R"({"reason":"Invalid","message":"spec.x: Required"})",
       {},
       Code::Invalid,
       {},
       "spec.x: Required"},
      {"too large", 413, "", {}, Code::Invalid, {}, "413"},
      {"wrong method", 405, "", {}, Code::Invalid, {}, "405"},
      {"not known",
       401,
       R"({"reason":"Unauthorized","message":"Unauthorized"})",
       {},
       Code::Denied,
       {},
       "check token or certificate"},
      {"not allowed",
       403,
       R"({"reason":"Forbidden","message":"pods is forbidden"})",
       {},
       Code::Denied,
       {},
       "pods is forbidden"},
      {"quota used up",
       403,
       R"({"reason":"Forbidden","message":"pods \"a\" is forbidden: exceeded quota: q"})",
       {},
       Code::Throttled,
       {},
       "exceeded quota"},
      {"not found",
       404,
       R"({"reason":"NotFound","message":"jobs \"a\" not found"})",
       {},
       Code::NotFound,
       {},
       "jobs \"a\" not found"},
      {"not found in plain text",
       404,
       "404 page not found\n",
       {},
       Code::NotFound,
       {},
       "404 page not found"},
      {"exists",
       409,
       R"({"reason":"AlreadyExists","message":"it is there"})",
       {},
       Code::AlreadyExists,
       {},
       "it is there"},
      {"conflict",
       409,
       R"({"reason":"Conflict","message":"was modified"})",
       {},
       Code::Conflict,
       {},
       "was modified"},
      {"too old", 410, R"({"reason":"Expired","message":"too old"})", {}, Code::Expired, {}, ""},
      {"gone", 410, R"({"reason":"Gone"})", {}, Code::Expired, {}, ""},
      {"client too slow", 408, "", {}, Code::Timeout, {}, ""},
      {"gateway timeout",
       504,
       R"({"reason":"Timeout","details":{"retryAfterSeconds":2}})",
       {},
       Code::Timeout,
       2000ms,
       ""},
      {"throttled with header", 429, "Too many", 3s, Code::Throttled, 3000ms, "Too many"},
      {"throttled with details",
       429,
       R"({"details":{"retryAfterSeconds":4}})",
       {},
       Code::Throttled,
       4000ms,
       ""},
      {"header beats details", 429, R"({"details":{"retryAfterSeconds":4}})", 1s, Code::Throttled,
       1000ms, ""},
      {"throttled without delay", 429, "", {}, Code::Throttled, {}, ""},
      {"away with delay", 503, "", 5s, Code::Throttled, 5000ms, ""},
      {"away", 503, "", {}, Code::Unavailable, {}, ""},
      {"broken",
       500,
       R"({"reason":"InternalError","message":"etcd"})",
       {},
       Code::Unavailable,
       {},
       "etcd"},
      {"bad gateway with HTML",
       502,
       "<html>\r\n<b>nginx</b>",
       {},
       Code::Unavailable,
       {},
       "<html>  <b>nginx</b>"},
      {"absurd delay",
       429,
       R"({"details":{"retryAfterSeconds":2000000000}})",
       {},
       Code::Throttled,
       86'400'000ms,
       ""},
      {"truncated JSON", 404, R"({"reason":"NotFo)", {}, Code::NotFound, {}, "404"},
      {"nested without end", 500, std::string(200'000, '['), {}, Code::Unavailable, {}, "500"},
      {"not UTF-8", 500, "\xff\xfe\x80", {}, Code::Unavailable, {}, "500"},
      {"wrong types", 409, R"({"reason":5,"details":[]})", {}, Code::Conflict, {}, "409"},
      {"a list", 409, "[]", {}, Code::Conflict, {}, "409"},
      {"odd 2xx", 102, "", {}, Code::Malformed, {}, "102"},
  };
  for (const auto& c : cases) {
    const Error error = status_error("GET http://s/pods", c.status, c.body, c.header);
    EXPECT_EQ(error.code, c.code) << c.name << ": " << error.message;
    EXPECT_EQ(error.delay, c.delay) << c.name;
    EXPECT_EQ(error.http_status, c.status) << c.name;
    EXPECT_TRUE(error.message.starts_with("GET http://s/pods: ")) << error.message;
    EXPECT_NE(error.message.find(c.says), std::string::npos) << c.name << ": " << error.message;
    EXPECT_LT(error.message.size(), 3000U) << c.name;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << c.name;
  }
}

TEST(StatusError, NamesWhereARedirectLeads) {
  const Error error = status_error("GET http://s/", 302, "<a>", {}, "https://login.example/");
  EXPECT_EQ(error.code, Code::Invalid);
  EXPECT_NE(error.message.find("https://login.example/"), std::string::npos);
}

TEST(StatusError, RefusalsOfAnObjectAreTheServersOwnWords) {
  const struct {
    int status;
    const char* body;
    const char* want;
  } cases[] = {
      {422, R"({"status":"Failure","reason":"Invalid","message":"Job \"a\" is invalid: spec.x"})",
       "Job \"a\" is invalid: spec.x"},
      {403, R"({"status":"Failure","reason":"Forbidden","message":"exceeded quota: q"})",
       "exceeded quota: q"},
      {404, R"({"status":"Failure","reason":"NotFound"})",
       "POST http://s/jobs: the server answered 404 NotFound"},
      {500, R"({"status":"Failure","reason":"InternalError","message":"etcd"})",
       "POST http://s/jobs: the server answered 500 InternalError: etcd"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(status_error("POST http://s/jobs", c.status, c.body, {}).message, c.want);
  }
}

TEST(StatusError, KeepsTheReason) {
  EXPECT_EQ(status_error("x", 403, R"({"reason":"Forbidden"})", {}).reason, "Forbidden");
}

}  // namespace millrace::client
