#include "tests/sim/faulty_client.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/codec/value.h"

namespace millrace::sim {
namespace {

using codec::Value;

Error error_of(Code code, int status, std::string message) {
  Error error = fail(code, std::move(message)).value();
  error.http_status = status;
  return error;
}

/// `text` of JSON without members dependsOn.
std::string without_order(std::string text) {
  constexpr std::string_view kMember = R"("dependsOn":[)";
  for (std::size_t at = 0; (at = text.find(kMember, at)) != std::string::npos;) {
    std::size_t end = text.find(']', at) + 1;
    if (text[end] == ',') {
      ++end;
    } else if (text[at - 1] == ',') {
      --at;
    }
    text.erase(at, end - at);
  }
  return text;
}

bool is_bookmark(const std::string& line) { return line.starts_with(R"({"type":"BOOKMARK")"); }

}  // namespace

/// Cuts, delays, repeats and reorders the lines of an honest stream. Lines change places only
/// within one piece: a server never goes back behind what it has sent.
class FaultyClient::Stream final : public client::ByteStream {
 public:
  Stream(FaultyClient& owner, const api::ApiResource& resource,
         std::unique_ptr<client::ByteStream> source)
      : owner_(owner), resource_(resource), source_(std::move(source)) {}

  Result<std::string> read(SteadyTime deadline) override {
    Random& random = owner_.random_;
    const FaultRates& rates = owner_.rates;
    if (random.chance(rates.watch_cut)) {
      return fail(error_of(Code::Unavailable, 0, "the connection broke"));
    }
    if (random.chance(rates.watch_cut)) return std::string();
    if (random.chance(rates.watch_expire)) {
      return std::string(
          R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",)"
          R"("message":"too old resource version","reason":"Expired","code":410}})"
          "\n");
    }
    if (random.chance(rates.watch_late)) {
      held_until_ = owner_.clock_.steady() + std::chrono::milliseconds(random.below(20000));
    }
    if (owner_.clock_.steady() < held_until_ && rates.watch_late > 0) {
      return fail(Code::Timeout, "nothing came");
    }
    if (!ended_ && lines_.empty()) fill(deadline);
    if (lines_.empty()) {
      if (ended_) return *std::exchange(ended_, std::nullopt);
      return fail(Code::Timeout, "nothing came");
    }
    return take();
  }
  void cancel() override { source_->cancel(); }

 private:
  void fill(SteadyTime deadline) {
    auto piece = source_->read(deadline);
    if (!piece.ok()) {
      if (piece.error().code != Code::Timeout) ended_ = fail(std::move(piece).error());
      return;
    }
    if (piece->empty()) {
      ended_ = std::string();
      return;
    }
    rest_ += *piece;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest_.find('\n', begin)) != std::string::npos;) {
      lines_.push_back(*owner_.seen(resource_, rest_.substr(begin, end + 1 - begin)));
      begin = end + 1;
    }
    rest_.erase(0, begin);
  }

  /// The lines of `text`, which ends with one, come next; the first may be the end of a line.
  void put_back(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      end = text.find('\n', begin) + 1;
      lines.push_back(text.substr(begin, end - begin));
    }
    lines_.insert(lines_.begin(), lines.begin(), lines.end());
  }

  Result<std::string> take() {
    Random& random = owner_.random_;
    const FaultRates& rates = owner_.rates;
    std::vector<std::string> piece;
    const int most = rates.watch_late > 0 ? random.between(1, 4) : 1000;
    while (!lines_.empty() && static_cast<int>(piece.size()) < most) {
      piece.push_back(std::move(lines_.front()));
      lines_.pop_front();
    }
    // Nothing comes between the halves of a line that was cut.
    const bool reordered = !mid_line_ && disturb(piece);
    std::string out;
    for (const std::string& line : piece) out += line;
    // A cut in the middle of a line, now and then; not where lines changed places: a connection
    // that breaks there would leave out one that the next watch, from the version of the other,
    // does not bring. The server sends in the order of versions, so no client could make up for
    // that.
    if (!reordered && rates.watch_cut > 0 && out.size() > 10 && random.chance(50)) {
      const std::size_t at = static_cast<std::size_t>(random.below(static_cast<int>(out.size())));
      put_back(out.substr(at));
      out.resize(at);
      if (out.empty()) return fail(Code::Timeout, "nothing came");
    }
    if (out.empty()) return fail(Code::Timeout, "nothing came");
    mid_line_ = out.back() != '\n';
    return out;
  }

  /// Whether lines changed places.
  bool disturb(std::vector<std::string>& piece) {
    bool reordered = false;
    Random& random = owner_.random_;
    const FaultRates& rates = owner_.rates;
    if (owner_.mutation == Mutation::ForgetEvents && random.chance(30) &&
        !is_bookmark(piece.front())) {
      piece.erase(piece.begin());
    }
    for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
      const bool plain = !is_bookmark(piece[i]) && !is_bookmark(piece[i + 1]);
      if (!plain || !random.chance(rates.watch_reorder)) continue;
      std::swap(piece[i], piece[i + 1]);
      reordered = true;
    }
    for (const std::string& line : piece) {
      if (is_bookmark(line)) continue;
      told_.push_back(line);
      if (told_.size() > 6) told_.pop_front();
    }
    if (!told_.empty() && random.chance(rates.watch_repeat)) {
      // Before the others, so that a bookmark stays the last word.
      piece.insert(piece.begin(),
                   told_[static_cast<std::size_t>(random.below(static_cast<int>(told_.size())))]);
    }
    return reordered;
  }

  FaultyClient& owner_;
  const api::ApiResource resource_;
  std::unique_ptr<client::ByteStream> source_;
  std::string rest_;               ///< of a line that is not whole yet
  std::deque<std::string> lines_;  ///< not given yet
  std::deque<std::string> told_;   ///< given lately
  std::optional<Result<std::string>> ended_;
  SteadyTime held_until_{};
  bool mid_line_ = false;  ///< the last piece ended inside a line
};

FaultyClient::FaultyClient(client::Reader& reader, client::Writer& writer, const Clock& clock,
                           Random random, Trace& trace, std::string name)
    : reader_(reader),
      writer_(writer),
      clock_(clock),
      random_(random),
      trace_(trace),
      name_(std::move(name)) {}

std::optional<Error> FaultyClient::fault(bool of_write) {
  if (of_write && random_.chance(rates.conflict)) {
    return error_of(Code::Conflict, 409, "the object has been modified");
  }
  if (random_.chance(rates.throttle)) {
    Error error = error_of(Code::Throttled, 429, "too many requests");
    error.delay = std::chrono::milliseconds(random_.between(0, 3000));
    return error;
  }
  if (!random_.chance(rates.unavailable)) return std::nullopt;
  switch (random_.below(4)) {
    case 0:
      return error_of(Code::Unavailable, 503, "apiserver is shutting down");
    case 1:
      return error_of(Code::Unavailable, 500, "failed calling webhook");
    case 2:
      return error_of(Code::Timeout, 0, "no answer in time");
    default:
      return error_of(Code::Unavailable, 0, "connection refused");
  }
}

std::optional<Error> FaultyClient::read_fault(const std::string& what) {
  auto error = fault(false);
  if (error) trace_.add(name_ + " " + what + ": " + std::string(to_string(error->code)));
  return error;
}

Result<std::string> FaultyClient::write(const std::string& what, bool is_event, bool is_pod_create,
                                        const Call& call) {
  const std::string head = name_ + " " + what;
  if (about_to) about_to(what);
  if (!is_event && what.find(" leases/") == std::string::npos) ++writes;
  const bool dies = crash_in && --*crash_in <= 0;
  if (dies && !crash_after_effect) {
    trace_.add(head + ": dies before it");
    throw Crash{};
  }
  if (stand_still && random_.chance(rates.pause)) {
    trace_.add(head + ": stands still");
    stand_still(what);
  }
  if (is_pod_create && quota_used_up) {
    trace_.add(head + ": quota");
    return fail(error_of(Code::Throttled, 403, "pods is forbidden: exceeded quota: q"));
  }
  if (auto error = fault(true)) {
    trace_.add(head + ": " + std::string(to_string(error->code)));
    return fail(*std::move(error));
  }
  auto done = call();
  trace_.add(head + ": " + (done.ok() ? "done" : done.error().message));
  if (dies) {
    trace_.add(head + ": dies after it");
    throw Crash{};
  }
  if (random_.chance(rates.lose)) {
    trace_.add(head + ": answer lost");
    return fail(error_of(random_.chance(500) ? Code::Timeout : Code::Unavailable, 0,
                         "the connection broke"));
  }
  return done;
}

Result<std::string> FaultyClient::get_text(const api::ApiResource& resource, const ObjectKey& key,
                                           const client::CallOptions& options) {
  if (auto error = read_fault("get " + std::string(resource.plural))) return fail(*error);
  return seen(resource, reader_.get_text(resource, key, options));
}

Result<std::string> FaultyClient::list_text(const api::ApiResource& resource, const std::string& ns,
                                            const client::ListOptions& list,
                                            const client::CallOptions& options) {
  if (auto error = read_fault("list " + std::string(resource.plural))) return fail(*error);
  return seen(resource, reader_.list_text(resource, ns, list, options));
}

Result<std::unique_ptr<client::ByteStream>> FaultyClient::watch(
    const api::ApiResource& resource, const std::string& ns, const client::WatchOptions& watch,
    const client::CallOptions& options) {
  if (auto error = read_fault("watch " + std::string(resource.plural))) return fail(*error);
  if (random_.chance(rates.watch_refuse)) {
    return fail(error_of(Code::Expired, 410, "too old resource version"));
  }
  trace_.add(name_ + " watch " + std::string(resource.plural) + " from " +
             (watch.send_initial_events ? "the list" : watch.resource_version));
  MR_ASSIGN(auto stream, reader_.watch(resource, ns, watch, options));
  return std::unique_ptr<client::ByteStream>(
      std::make_unique<Stream>(*this, resource, std::move(stream)));
}

Result<std::string> FaultyClient::create_text(const api::ApiResource& resource,
                                              const std::string& ns, std::string_view body,
                                              const client::CallOptions& options) {
  const bool pod = resource.plural == "pods";
  std::string text(body);
  std::string name;
  if (auto object = Value::parse(body); object.ok()) {
    if (mutation == Mutation::RepeatCreates && pod) {
      Value& own = (*object)["metadata"]["name"];
      own = own.as_string() + "-" + std::to_string(random_.below(1000));
      text = object->dump();
    }
    if (const Value* found = object->at_path({"metadata", "name"})) name = found->as_string();
  }
  // A dry run fails like any write, and is none.
  const bool event = resource.plural == "events" || options.dry_run;
  return write((options.dry_run ? "try " : "create ") + std::string(resource.plural) + "/" + name,
               event, pod, [&] {
                 auto created = writer_.create_text(resource, ns, text, options);
                 return options.dry_run ? created : seen(resource, std::move(created));
               });
}

Result<std::string> FaultyClient::replace_text(const api::ApiResource& resource,
                                               const ObjectKey& key, std::string_view body,
                                               const std::string& subresource,
                                               const client::CallOptions& options) {
  return write("replace " + std::string(resource.plural) + "/" + key.name, false, false,
               [&] { return writer_.replace_text(resource, key, body, subresource, options); });
}

Result<std::string> FaultyClient::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                             client::PatchType type, std::string_view body,
                                             const client::PatchOptions& patch,
                                             const client::CallOptions& options) {
  std::string text(body);
  if (mutation == Mutation::DropPreconditions) {
    if (auto value = Value::parse(body); value.ok()) {
      if (value->is_object() && value->find("metadata"))
        (*value)["metadata"].erase("resourceVersion");
      if (value->is_array()) value->items().erase(value->items().begin());
      text = value->dump();
    }
  }
  const bool record = resource.plural == "pipelineruns" && patch.subresource == "status";
  if (mutation == Mutation::SkipRecords && record && random_.chance(200)) {
    return pretend(resource, key, body, options);
  }
  const std::string what = "patch " + std::string(resource.plural) + "/" + key.name +
                           (patch.subresource.empty() ? std::string() : "/" + patch.subresource);
  return write(what, resource.plural == "events", false,
               [&] { return writer_.patch_text(resource, key, type, text, patch, options); });
}

Result<std::string> FaultyClient::delete_text(const api::ApiResource& resource,
                                              const ObjectKey& key,
                                              const client::DeleteOptions& del,
                                              const client::CallOptions& options) {
  client::DeleteOptions sent = del;
  if (mutation == Mutation::DropPreconditions) sent.uid.clear();
  return write("delete " + std::string(resource.plural) + "/" + key.name, false, false,
               [&] { return writer_.delete_text(resource, key, sent, options); });
}

Result<std::string> FaultyClient::raw_get(std::string_view path,
                                          const client::CallOptions& options) {
  if (auto error = read_fault("get " + std::string(path))) return fail(*error);
  return reader_.raw_get(path, options);
}

Result<std::string> FaultyClient::seen(const api::ApiResource& resource,
                                       Result<std::string> text) const {
  const bool broken =
      mutation == Mutation::IgnoreOrder && resource.plural == "controllerrevisions" && text.ok();
  return broken ? Result<std::string>(without_order(*std::move(text))) : text;
}

Result<std::string> FaultyClient::pretend(const api::ApiResource& resource, const ObjectKey& key,
                                          std::string_view patch,
                                          const client::CallOptions& options) {
  trace_.add(name_ + " status of " + key.name + ": pretended");
  MR_ASSIGN(const std::string text, reader_.get_text(resource, key, options));
  MR_ASSIGN(Value object, Value::parse(text));
  MR_ASSIGN(const Value operations, Value::parse(patch));
  object["status"] = *operations.items().back().find("value");
  return object.dump();
}

}  // namespace millrace::sim
