/// What the tests of outbound calls share: calls that are waited for.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>

#include "kubeclient/http/outbound.h"

namespace millrace::http {

/// A policy that lets tests reach themselves.
inline TargetPolicy loopback_allowed() {
  return *TargetPolicy::make({.allow = {"127.0.0.0/8"}, .deny = {}, .own_servers = {}});
}

/// A call under way.
struct Pending {
  std::uint64_t handle = 0;
  std::future<Result<OutboundAnswer>> answer;

  /// The outcome; a failure of the test after 30 s.
  Result<OutboundAnswer> wait() {
    if (answer.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
      ADD_FAILURE() << "the call did not end";
      return fail(Code::Bug, "the call did not end");
    }
    return answer.get();
  }
};

inline Pending begin(Outbound& outbound, OutboundRequest request) {
  auto promise = std::make_shared<std::promise<Result<OutboundAnswer>>>();
  Pending pending;
  pending.answer = promise->get_future();
  pending.handle = outbound.start(std::move(request), [promise](Result<OutboundAnswer> answer) {
    promise->set_value(std::move(answer));
  });
  return pending;
}

inline Result<OutboundAnswer> call(Outbound& outbound, OutboundRequest request) {
  return begin(outbound, std::move(request)).wait();
}

/// Expect an error of `code` whose message holds `says`.
inline void expect_error(const Result<OutboundAnswer>& answer, Code code, std::string_view says,
                         std::string_view name = {}) {
  ASSERT_FALSE(answer.ok()) << name << ": answered with " << answer->status;
  EXPECT_EQ(answer.error().code, code) << name << ": " << answer.error().message;
  EXPECT_NE(answer.error().message.find(says), std::string::npos)
      << name << ": " << answer.error().message;
}

}  // namespace millrace::http
