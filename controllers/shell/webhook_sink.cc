#include "controllers/shell/webhook_sink.h"

#include <algorithm>
#include <utility>

#include "controllers/delivery/callback.h"
#include "controllers/delivery/signature.h"
#include "controllers/logic/check.h"
#include "controllers/shell/events.h"
#include "controllers/shell/webhook_run.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/runtime/env.h"

namespace millrace::shell {
namespace {

using codec::Value;
using delivery::Delivery;
using delivery::Verdict;
using Kind = delivery::Verdict::Kind;

/// Secrets kept in mind; beyond it all are forgotten and read again.
constexpr std::size_t kMostSecrets = 1000;

struct SecretData {
  static constexpr api::ApiResource kResource{"", "v1", "secrets", "Secret", true};
  std::map<std::string, std::string> data;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("data", self.data);
  }
};

Verdict refuse(Kind kind, std::string reason, std::string message) {
  return {.kind = kind, .reason = std::move(reason), .message = std::move(message)};
}

Verdict not_found() { return refuse(Kind::NotFound, "NotFound", ""); }

Verdict unavailable(std::string reason, std::string message,
                    std::optional<std::chrono::milliseconds> delay = {}) {
  Verdict out = refuse(Kind::Unavailable, std::move(reason), std::move(message));
  if (delay) out.retry_after = std::chrono::ceil<std::chrono::seconds>(*delay);
  return out;
}

/// What it means for the sender that the run could not be created.
Verdict verdict_of(const Error& error) {
  switch (error.code) {
    case Code::Invalid:
      return refuse(Kind::Unready, "Refused", error.message);
    case Code::AlreadyExists:
      return refuse(Kind::Unready, "NameTaken", error.message);
    default:
      // The message may name our own rights and addresses: it is for the owner, not the sender.
      return unavailable("NotStored", "the run could not be stored", error.delay);
  }
}

/// Why runs of the pipeline cannot start, if that was said of its present spec.
const api::Condition* not_ready(const crds::Pipeline& pipeline) {
  if (pipeline.status.observed_generation != pipeline.metadata.generation) return nullptr;
  const api::Condition* ready = api::find_condition(pipeline.status.conditions, "Ready");
  return ready != nullptr && logic::bars_runs(*ready) ? ready : nullptr;
}

/// Files that became Secrets end with a line end that nobody means.
void trim_line_end(std::string& text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
}

}  // namespace

WebhookSink::WebhookSink(const Services& services, const Caches& caches, Actor& actor,
                         RevisionCache& revisions, WebhookSinkOptions options,
                         std::function<bool()> ready)
    : services_(services),
      caches_(caches),
      actor_(actor),
      revisions_(revisions),
      options_(std::move(options)),
      ready_(std::move(ready)),
      rates_(options_.config.rate_per_second, options_.config.burst) {}

WebhookSink::~WebhookSink() { stop(); }

void WebhookSink::start() {
  state_.lock()->closed = false;
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this, i] {
      runtime::name_this_thread("mr-hook-" + std::to_string(i));
      work(stop_.get_token());
    });
  }
}

void WebhookSink::stop() {
  std::deque<Waiting> left;
  {
    const auto state = state_.lock();
    state->closed = true;
    left.swap(state->queue);
  }
  stop_.request_stop();
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (Waiting& one : left) one.done(unavailable("Stopping", "the operator is stopping"));
}

void WebhookSink::deliver(Delivery delivery, delivery::Completion done) {
  const char* why = nullptr;
  {
    const auto state = state_.lock();
    if (state->closed) {
      why = "the operator is stopping";
    } else if (state->queue.size() >= options_.most_waiting) {
      why = "too many deliveries at once";
    } else {
      state->queue.push_back({std::move(delivery), std::move(done)});
    }
  }
  if (why != nullptr) return done(unavailable("Busy", why));
  changed_.notify_one();
}

void WebhookSink::work(const std::stop_token& stop) {
  for (;;) {
    Waiting one;
    {
      auto state = state_.lock();
      changed_.wait(state.lock(), [&] { return state->closed || !state->queue.empty(); });
      if (state->queue.empty()) return;
      one = std::move(state->queue.front());
      state->queue.pop_front();
    }
    one.done(decide(one.delivery, stop));
  }
}

Verdict WebhookSink::decide(const Delivery& delivery, const std::stop_token& stop) {
  if (!ready_()) return unavailable("Starting", "the operator is starting");
  const auto pipeline = caches_.pipelines.get({delivery.ns, delivery.name});
  if (!pipeline || pipeline->metadata.deletion_timestamp || pipeline->spec.triggers.empty()) {
    return not_found();
  }
  const crds::Trigger& trigger = pipeline->spec.triggers.front();
  if (auto refused = authenticate(delivery, trigger, stop)) {
    tell(*pipeline, *refused);
    return *refused;
  }
  const std::string key = pipeline->metadata.uid + "\n" + delivery.id;
  if (auto run = known_run(key)) {
    return {.kind = Kind::Accepted, .run = *std::move(run), .duplicate = true};
  }
  Value value;
  Value params;
  if (auto refused = check_trigger(delivery, *pipeline, trigger, value, params)) {
    tell(*pipeline, *refused);
    return *refused;
  }
  const auto pause = rates_.lock()->take(pipeline->metadata.uid, services_.clock.steady());
  if (pause) {
    Verdict limited =
        refuse(Kind::TooMany, "PipelineRate", "too many deliveries for this pipeline");
    limited.retry_after = *pause;
    tell(*pipeline, limited);
    return limited;
  }
  Verdict verdict = create(delivery, *pipeline, value, params, stop);
  if (verdict.kind == Kind::Accepted) {
    remember(key, verdict.run);
  } else {
    tell(*pipeline, verdict);
  }
  return verdict;
}

std::optional<Verdict> WebhookSink::check_trigger(const Delivery& delivery,
                                                  const crds::Pipeline& pipeline,
                                                  const crds::Trigger& trigger, Value& value,
                                                  Value& params) {
  if (!delivery.callback_url.empty()) {
    std::string problem =
        delivery::callback_problem(delivery.callback_url, options_.config.callback_hosts);
    if (!problem.empty()) return refuse(Kind::Invalid, "CallbackRefused", std::move(problem));
  }
  auto made = trigger_value(delivery, trigger);
  if (!made.ok()) return refuse(Kind::Invalid, "BadBody", made.error().message);
  if (const api::Condition* why = not_ready(pipeline)) {
    return refuse(Kind::Unready, "PipelineNotReady", "the pipeline cannot run: " + why->message);
  }
  auto values = trigger_params(trigger, *made);
  if (!values.ok()) return refuse(Kind::Unready, "BadParams", values.error().message);
  value = *std::move(made);
  params = *std::move(values);
  return std::nullopt;
}

// --- Credentials ---

std::optional<Verdict> WebhookSink::authenticate(const Delivery& delivery,
                                                 const crds::Trigger& trigger,
                                                 const std::stop_token& stop) {
  const auto check = [&](const crds::SecretKey& wanted, std::string_view given, const char* what,
                         const auto& matches) -> std::optional<Verdict> {
    if (given.empty()) {
      return refuse(
          Kind::Unauthorized, std::string("No") + what,
          std::string("this webhook needs a ") + (what[0] == 'T' ? "token" : "signature"));
    }
    // A wrong one may be right since a moment ago: then the Secret is read anew.
    for (const Duration age : {Duration(options_.secrets_for), Duration(options_.secret_retry)}) {
      const auto secret = secret_value(delivery.ns, wanted, age, stop);
      if (!secret.ok()) {
        services_.log.warn("the Secret of a webhook cannot be read",
                           {kv("object", ObjectKey{delivery.ns, delivery.name}),
                            kv("secret", wanted.name), kv("error", secret.error())});
        return unavailable("SecretUnreadable", "the credential cannot be checked now");
      }
      if (matches(*secret)) return std::nullopt;
    }
    return refuse(Kind::Forbidden, std::string("Bad") + what, "the credential is wrong");
  };
  if (trigger.token) {
    const std::string_view token =
        delivery::bearer_token(delivery::find_header(delivery.headers, "Authorization"));
    auto refused = check(*trigger.token, token, "Token", [&](const std::string& secret) {
      return delivery::same_secret(token, secret);
    });
    if (refused) return refused;
  }
  if (!trigger.hmac) return std::nullopt;
  const std::string_view given = delivery::find_header(delivery.headers, signature_header(trigger));
  return check(*trigger.hmac, given, "Signature", [&](const std::string& secret) {
    return delivery::signature_matches(secret, delivery.body, given);
  });
}

Result<std::string> WebhookSink::secret_value(const std::string& ns, const crds::SecretKey& wanted,
                                              Duration age, const std::stop_token& stop) {
  const ObjectKey key{ns, wanted.name};
  const auto value_in =
      [&](const Result<std::map<std::string, std::string>>& data) -> Result<std::string> {
    if (!data.ok()) return fail(data.error());
    const auto found = data->find(wanted.key);
    if (found == data->end()) {
      return fail(Code::NotFound, "the Secret has no key \"" + wanted.key + "\"");
    }
    auto decoded = client::decode_base64(found->second);
    if (!decoded) return fail(Code::Malformed, "key \"" + wanted.key + "\" is not base64");
    trim_line_end(*decoded);
    // With an empty key anybody could sign.
    if (decoded->empty()) return fail(Code::Invalid, "key \"" + wanted.key + "\" is empty");
    return *std::move(decoded);
  };
  const SteadyTime now = services_.clock.steady();
  {
    const auto secrets = secrets_.lock();
    const auto found = secrets->find(key);
    // What could not be read is looked for again soon: somebody may just be creating it.
    const bool good = found != secrets->end() && found->second.data.ok();
    const Duration most = good ? age : std::min<Duration>(age, options_.secret_retry);
    if (found != secrets->end() && now - found->second.read < most) {
      return value_in(found->second.data);
    }
  }
  client::CallOptions options;
  options.stop = stop;
  options.timeout = std::chrono::seconds(5);
  auto read = client::get<SecretData>(services_.reader, key, options);
  Secret fresh{now, std::map<std::string, std::string>{}};
  if (read.ok()) {
    fresh.data = std::move(read->data);
  } else {
    fresh.data = fail(read.error());
  }
  auto value = value_in(fresh.data);
  auto secrets = secrets_.lock();
  if (secrets->size() >= kMostSecrets) secrets->clear();
  secrets->insert_or_assign(key, std::move(fresh));
  return value;
}

// --- The run ---

Verdict WebhookSink::create(const Delivery& delivery, const crds::Pipeline& pipeline,
                            const Value& trigger, const Value& params,
                            const std::stop_token& stop) {
  const RevisionRef revision = revisions_.current(pipeline);
  if (const auto made = ensure_revision(pipeline, *revision, stop); !made.ok()) {
    services_.log.warn("the revision of a webhook's run cannot be stored",
                       {kv("object", api::key_of(pipeline.metadata)), kv("error", made.error())});
    return verdict_of(made.error());
  }
  constexpr int kNames = 3;
  for (int salt = 0; salt < kNames; ++salt) {
    const std::string name = webhook_run_name(pipeline, delivery.id, salt);
    auto created =
        actor_.perform(create_webhook_run(pipeline, revision->name, name, trigger, params), stop);
    if (!created.ok()) {
      services_.log.warn("the run of a webhook cannot be stored",
                         {kv("object", api::key_of(pipeline.metadata)), kv("run", name),
                          kv("error", created.error())});
      return verdict_of(created.error());
    }
    // Twelve digits may fall together: then it is the run of another delivery.
    const bool other =
        created->existed && created->found.annotation(kDeliveryAnnotation) != delivery.id;
    if (other) continue;
    return {.kind = Kind::Accepted, .run = name, .duplicate = created->existed};
  }
  return refuse(Kind::Unready, "NameTaken", "other runs have taken the name of this one");
}

Result<> WebhookSink::ensure_revision(const crds::Pipeline& pipeline,
                                      const logic::Revision& revision,
                                      const std::stop_token& stop) {
  if (caches_.revisions.get({pipeline.metadata.ns, revision.name})) return {};
  MR_TRY(actor_.perform(logic::create_revision(pipeline, revision), stop));
  return {};
}

std::optional<std::string> WebhookSink::known_run(const std::string& key) const {
  const auto memory = memory_.lock();
  const auto found = memory->runs.find(key);
  if (found == memory->runs.end() || found->second.until <= services_.clock.steady()) return {};
  return found->second.run;
}

void WebhookSink::remember(const std::string& key, const std::string& run) {
  const SteadyTime now = services_.clock.steady();
  const auto memory = memory_.lock();
  const auto [place, fresh] =
      memory->runs.insert_or_assign(key, Known{run, now + options_.remember});
  (void)place;
  if (fresh) memory->order.push_back(key);
  while (!memory->order.empty()) {
    const auto oldest = memory->runs.find(memory->order.front());
    const bool over = oldest == memory->runs.end() || oldest->second.until <= now ||
                      memory->order.size() > options_.most_remembered;
    if (!over) break;
    if (oldest != memory->runs.end()) memory->runs.erase(oldest);
    memory->order.pop_front();
  }
}

void WebhookSink::tell(const crds::Pipeline& pipeline, const Verdict& verdict) {
  logic::Note note;
  note.type = logic::Note::Type::Warning;
  note.reason = "WebhookRefused";
  note.message = verdict.reason + ": " + verdict.message;
  record_note(services_.events, crds::Pipeline::kResource, pipeline.metadata, note);
}

}  // namespace millrace::shell
