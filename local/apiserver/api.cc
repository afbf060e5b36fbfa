#include "local/apiserver/api.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "kubeclient/base/log.h"
#include "local/apiserver/context.h"
#include "local/apiserver/documents.h"
#include "local/apiserver/first_objects.h"
#include "local/apiserver/garbage.h"
#include "local/apiserver/pod_logs.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/request_target.h"
#include "local/apiserver/reviews.h"
#include "local/apiserver/watch.h"
#include "local/apiserver/write_verbs.h"
#include "local/apiserver/writes.h"
#include "local/patch/managed_fields.h"

namespace millrace::apiserver {
namespace {

Error to_error(const Refusal& refusal) {
  Code code = Code::Unavailable;
  if (refusal.code == 404) code = Code::NotFound;
  if (refusal.code == 409) code = Code::Conflict;
  Error error;
  error.code = code;
  error.message = refusal.message;
  error.http_status = refusal.code;
  error.reason = refusal.reason;
  return error;
}

const schema::Kind* find_kind(const storage::Key& key) {
  for (const schema::Kind& kind : schema::kinds()) {
    if (kind.to_stored == nullptr && kind.storage_name() == key.resource) return &kind;
  }
  return nullptr;
}

/// Housekeeping writes as requests do.
class Writer final : public GarbageWriter {
 public:
  explicit Writer(Context& context) : context_(context) {}

  Result<void> remove(const storage::Key& key, const std::string& uid,
                      Propagation propagation) override {
    Target target;
    target.kind = find_kind(key);
    if (target.kind == nullptr) return fail(Code::NotFound, key.resource + " are not served");
    target.ns = key.ns;
    target.name = key.name;
    DeleteOptions options;
    options.uid = uid;
    options.deletion.propagation = propagation;
    auto deleted = delete_object(context_, target, options);
    if (!deleted) return fail(to_error(deleted.error()));
    return {};
  }

  Result<void> edit(const storage::Key& key, const std::string& uid,
                    const std::function<bool(codec::Value&)>& edit) override {
    const schema::Kind* kind = find_kind(key);
    return edit_as_server(context_, key, uid, [&](codec::Value& object) {
      const codec::Value old = object;
      if (!edit(object)) return false;
      // What is taken out has no owner any more.
      patch::track_update(object, &old, *kind->type,
                          {"kube-controller-manager", kind->resource.api_version(), ""},
                          context_.clock.now());
      return true;
    });
  }

 private:
  Context& context_;
};

bool is_group_served(std::string_view path) {
  if (!path.starts_with("/apis/")) return path.starts_with("/api/");
  path.remove_prefix(6);
  const std::string_view group = path.substr(0, path.find('/'));
  const auto& kinds = schema::kinds();
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const schema::Kind& kind) { return kind.resource.group == group; });
}

Refused no_such_verb(const Target& target, std::string_view method) {
  if (!target.kind->custom || target.subresource.empty()) return method_not_allowed();
  const std::string verb = method == "POST"     ? "create"
                           : method == "DELETE" ? "delete"
                           : method == "PUT"    ? "update"
                                                : "patch";
  auto refusal = refuse(
      405, "MethodNotAllowed",
      verb + " is not supported on resources of kind \"" + target.kind->storage_name() + "\"");
  refusal.value().details = codec::Value::object(
      {{"group", target.kind->resource.group}, {"kind", target.kind->resource.plural}});
  return refusal;
}

Answer<Response> serve_collection(Context& context, const Request& request, const Target& target) {
  const schema::Kind& kind = *target.kind;
  const bool placed = !kind.resource.namespaced || !target.ns.empty();
  if (request.method == "GET") {
    return target.watch || query_flag(request, "watch") ? watch_objects(context, request, target)
                                                        : list_objects(context, request, target);
  }
  if (request.method == "POST" && placed) return post_object(context, request, target);
  if (request.method == "DELETE" && placed && kind.delete_collection) {
    return delete_collection(context, request, target);
  }
  return method_not_allowed();
}

Answer<Response> serve_target(Context& context, const Request& request, const Target& target) {
  const std::string& method = request.method;
  if (target.watch && method != "GET") return method_not_allowed();
  if (target.is_collection() || target.watch) return serve_collection(context, request, target);
  if (target.subresource == "log") {
    return method == "GET" ? serve_logs(context, request, target)
                           : Answer<Response>(method_not_allowed());
  }
  if (target.subresource == "finalize") {
    return method == "PUT" ? put_finalize(context, request, target)
                           : Answer<Response>(method_not_allowed());
  }
  if (method != "GET" && method != "PUT" && method != "PATCH" &&
      (method != "DELETE" || !target.subresource.empty())) {
    return no_such_verb(target, method);
  }
  if (target.subresource == "scale") return serve_scale(context, request, target);
  if (method == "GET") return get_object(context, request, target);
  if (method == "PUT") return put_object(context, request, target);
  if (method == "PATCH") return patch_object(context, request, target);
  return delete_one(context, request, target);
}

}  // namespace

std::string_view Request::get(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

struct Api::Impl {
  Impl(storage::Storage& storage, const Clock& clock, const Logger& log, LogSource* logs,
       ApiOptions options)
      : context{storage,
                clock,
                log,
                logs,
                options,
                Identities(options.seed),
                std::make_shared<Timers>(),
                std::make_shared<SharedPieces>()},
        writer(context),
        garbage(storage, writer, GarbageOptions{options.event_ttl}, [this] { wake(); }) {
    context.timers->on_change([this] { wake(); });
    make_first_objects(context);
  }
  // Streams may live longer and still use the timers.
  ~Impl() { context.timers->on_change(nullptr); }

  void wake() {
    {
      const std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_all();
  }

  std::optional<SteadyTime> next_due() const {
    std::optional<SteadyTime> due = context.timers->next();
    if (const auto time = garbage.next_due()) {
      const SteadyTime at = context.clock.steady() +
                            std::max<Duration>(*time - context.clock.now(), Duration::zero());
      due = due ? std::min(*due, at) : at;
    }
    return due;
  }

  Response handle(const Request& request) {
    if (auto response = serve_document(request)) return *std::move(response);
    if (is_review(request.path)) return respond(serve_review(context, request));
    if (!is_group_served(request.path)) return page_not_found();
    auto target = parse_target(request.path);
    if (!target) return to_response(target.error());
    // The real server routes these for custom kinds to its page for unknown paths.
    if (target->kind->custom && target->is_collection() && target->ns.empty() &&
        request.method != "GET" && target->kind->resource.namespaced) {
      return page_not_found();
    }
    return respond(serve_target(context, request, *target));
  }

  static Response respond(Answer<Response> answer) {
    return answer ? *std::move(answer) : to_response(answer.error());
  }

  Context context;
  Writer writer;
  std::mutex mutex;
  std::condition_variable_any changed;
  bool woken = false;
  Garbage garbage;
};

Api::Api(storage::Storage& storage, const Clock& clock, const Logger& log, LogSource* logs,
         ApiOptions options)
    : impl_(std::make_unique<Impl>(storage, clock, log, logs, options)) {}

Api::~Api() = default;

Response Api::handle(const Request& request) {
  try {
    return impl_->handle(request);
  } catch (const std::exception& e) {
    // A bug of ours must not end the server with all that runs on it.
    impl_->context.log.error("request failed", {kv("method", request.method),
                                                kv("path", request.path), kv("error", e.what())});
    return to_response(
        refuse(500, "InternalError", std::string("Internal error occurred: ") + e.what()).value());
  }
}

bool Api::work_once() {
  const bool fired = impl_->context.timers->fire(impl_->context.clock.steady());
  return impl_->garbage.work_once(impl_->context.clock.now()) || fired;
}

std::optional<SteadyTime> Api::next_due() const { return impl_->next_due(); }

void Api::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->woken = false;
    }
    while (!stop.stop_requested() && work_once()) {
    }
    const auto due = next_due();
    std::unique_lock lock(impl_->mutex);
    const auto ready = [this] { return impl_->woken; };
    if (!due) {
      impl_->changed.wait(lock, stop, ready);
    } else {
      const Duration left = *due - impl_->context.clock.steady();
      impl_->changed.wait_for(lock, stop, std::max(left, Duration::zero()), ready);
    }
  }
}

}  // namespace millrace::apiserver
