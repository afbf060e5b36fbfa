#include "controllers/shell/act.h"

#include <gtest/gtest.h>

#include "kubeclient/api/job.h"
#include "tests/support/fake_api.h"

namespace millrace::shell {
namespace {

using codec::Value;

class Observer final : public WriteObserver {
 public:
  std::optional<Version> wrote(const api::ApiResource& resource, const std::string&) override {
    seen += std::string(resource.plural) + " ";
    return std::nullopt;
  }
  std::string seen;
};

Value job(const std::string& owner_uid) {
  Value owner = Value::object({{"apiVersion", "millrace.dev/v1"},
                               {"kind", "PipelineRun"},
                               {"name", "r"},
                               {"uid", owner_uid},
                               {"controller", true}});
  Value metadata = Value::object({{"name", "j"}, {"namespace", "ns"}});
  metadata["ownerReferences"] = Value::array({std::move(owner)});
  return Value::object(
      {{"apiVersion", "batch/v1"}, {"kind", "Job"}, {"metadata", std::move(metadata)}});
}

TEST(Actor, WhatACreateThatMeetsItsNameMeans) {
  const struct {
    const char* name;
    const char* there;  // UID of the owner of the object that is there; "" none
    bool refuse;        // the create answers AlreadyExists, whatever is there
    std::optional<Code> want;
    const char* observed;
  } cases[] = {
      {"created", "", false, std::nullopt, "jobs "},
      {"ours, from a try whose answer was lost", "u1", true, std::nullopt, "jobs "},
      {"somebody else's", "u2", true, Code::AlreadyExists, ""},
      {"gone before it could be read: try again", "", true, Code::Conflict, ""},
  };
  for (const auto& c : cases) {
    support::ManualClock clock;
    support::FakeApi api(clock);
    Observer observer;
    Actor actor(api, api, observer);
    if (*c.there != '\0') api.store("jobs", job(c.there));
    if (c.refuse) api.fail_next("create", support::error_of(Code::AlreadyExists));
    logic::Action action;
    action.verb = logic::Action::Verb::Create;
    action.resource = api::Job::kResource;
    action.key = {"ns", "j"};
    action.owner_uid = "u1";
    action.body = job("u1");
    const auto result = actor.perform(action, {});
    EXPECT_EQ(result.ok(), !c.want) << c.name;
    if (!result.ok() && c.want) {
      EXPECT_EQ(to_string(result.error().code), to_string(*c.want)) << c.name;
    }
    EXPECT_EQ(observer.seen, c.observed) << c.name;
  }
}

TEST(IsRefusal, AnswersOfTheServerAreFailuresOfTheConnectionAreNot) {
  const struct {
    Code code;
    int http_status;
    bool want;
  } cases[] = {
      {Code::Invalid, 422, true},    {Code::Denied, 403, true},    {Code::AlreadyExists, 409, true},
      {Code::Throttled, 403, true},  {Code::Throttled, 429, true}, {Code::Unavailable, 500, true},
      {Code::Unavailable, 0, false}, {Code::Timeout, 504, false},  {Code::Timeout, 0, false},
      {Code::Cancelled, 0, false},   {Code::Conflict, 409, false},
  };
  for (const auto& c : cases) {
    Error error;
    error.code = c.code;
    error.http_status = c.http_status;
    EXPECT_EQ(is_refusal(error), c.want) << to_string(c.code) << " " << c.http_status;
  }
}

}  // namespace
}  // namespace millrace::shell
