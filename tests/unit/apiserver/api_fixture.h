/// An Api over a storage in memory and a manual clock, and short ways to talk to it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "kubeclient/base/log.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "tests/support/manual_clock.h"

namespace millrace::apiserver {

/// What a request came to.
struct Reply {
  int status = 0;
  codec::Value body;  ///< null when it is no JSON
  Response response;

  std::string text(std::initializer_list<std::string_view> path) const {
    const codec::Value* value = body.at_path(path);
    return value == nullptr ? "" : value->is_string() ? value->as_string() : value->dump();
  }
  std::string message() const { return text({"message"}); }
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }
};

class ApiFixture : public ::testing::Test {
 protected:
  ApiFixture() : storage_(open()), log_(stderr_sink(), LogLevel::Off) {
    ApiOptions options;
    options.seed = 7;
    api_ = std::make_unique<Api>(*storage_, clock_, log_, nullptr, options);
  }

  static std::unique_ptr<storage::Storage> open() {
    auto storage = storage::open_storage({});
    MR_CHECK(storage.ok());
    return *std::move(storage);
  }

  /// `where` is a path with a query; `+` and `%` mean themselves in it.
  Reply call(std::string_view method, std::string_view where, std::string_view body = "",
             std::string_view content_type = "application/json", std::string_view accept = "") {
    Request request;
    request.method = method;
    request.path = where.substr(0, where.find('?'));
    std::string_view query = where.find('?') == std::string_view::npos
                                 ? std::string_view()
                                 : where.substr(where.find('?') + 1);
    while (!query.empty()) {
      const std::string_view pair = query.substr(0, query.find('&'));
      query = pair.size() < query.size() ? query.substr(pair.size() + 1) : std::string_view();
      const std::size_t equals = pair.find('=');
      request.query.emplace_back(pair.substr(0, equals), equals == std::string_view::npos
                                                             ? std::string_view()
                                                             : pair.substr(equals + 1));
    }
    request.body = body;
    request.content_type = content_type;
    request.accept = accept;
    request.user_agent = "test/1";
    Reply reply;
    reply.response = api_->handle(request);
    reply.status = reply.response.status;
    auto parsed = codec::Value::parse(reply.response.body);
    if (parsed.ok()) reply.body = *std::move(parsed);
    return reply;
  }

  Reply create_map(std::string_view name, std::string_view more = "") {
    return call("POST", kMaps,
                R"({"metadata":{"name":")" + std::string(name) + R"("})" + std::string(more) + "}");
  }

  /// The names in a list, in order, with spaces between.
  static std::string names(const Reply& reply) {
    std::string out;
    if (const codec::Value* items = reply.body.find("items")) {
      for (const codec::Value& item : items->items()) {
        out += (out.empty() ? "" : " ") + item.at_path({"metadata", "name"})->as_string();
      }
    }
    return out;
  }

  static constexpr const char* kMaps = "/api/v1/namespaces/default/configmaps";
  static constexpr const char* kMerge = "application/merge-patch+json";
  static constexpr const char* kApply = "application/apply-patch+yaml";

  support::ManualClock clock_;
  std::unique_ptr<storage::Storage> storage_;
  Logger log_;
  std::unique_ptr<Api> api_;
};

}  // namespace millrace::apiserver
