#include "local/apiserver/watch.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <utility>

#include "local/apiserver/reads.h"
#include "local/apiserver/shared_pieces.h"
#include "local/apiserver/wire.h"

namespace millrace::apiserver {
namespace {

constexpr std::size_t kBatch = 64;  ///< storage events taken together
/// Initial objects read together: several informers that start at once would otherwise hold every
/// object several times, which scatters the heap.
constexpr std::size_t kInitialPage = 100;
/// Around an object: type, braces, line end; also of a piece on its way out [bytes].
constexpr std::size_t kFrame = 48;
/// Watches without a limit of their own end after half an hour to an hour. Source: Kubernetes,
/// --min-request-timeout.
constexpr std::int64_t kShortestSeconds = 1800;
constexpr int kAttempts = 5;  ///< to list and subscribe without losing the history between

std::string_view name_of(storage::EventType type) {
  if (type == storage::EventType::Added) return "ADDED";
  return type == storage::EventType::Modified ? "MODIFIED" : "DELETED";
}

/// What a watch needs to begin with.
struct Start {
  std::vector<storage::RecordRef> initial;  ///< shown as ADDED first, a page at a time
  bool more = false;                        ///< there is another page, after the key of ...
  storage::Key last;                        ///< ... the last one read
  std::unique_ptr<storage::Subscription> subscription;
  std::uint64_t version = 0;  ///< events up to it are not shown
  bool with_objects = false;
  std::string error;  ///< an ERROR event's object, and nothing else
};

struct Settings {
  Selector selector;
  std::string resource;  ///< as the storage calls it
  std::string ns;        ///< empty: all
  bool bookmarks = false;
  bool initial_events_end = false;  ///< the bookmark after the initial objects is due
  SteadyTime deadline;
  Duration bookmark_interval;
};

class WatchStream final : public Stream {
 public:
  WatchStream(const storage::Storage& storage, const Clock& clock, std::shared_ptr<Timers> timers,
              std::shared_ptr<SharedPieces> pieces, std::shared_ptr<Waker> waker,
              std::shared_ptr<std::atomic<bool>> armed, Renderer renderer, Settings settings,
              Start start)
      : storage_(storage),
        clock_(clock),
        timers_(std::move(timers)),
        pieces_(std::move(pieces)),
        waker_(std::move(waker)),
        armed_(std::move(armed)),
        renderer_(std::move(renderer)),
        settings_(std::move(settings)),
        start_(std::move(start)) {
    next_bookmark_ =
        settings_.bookmarks ? clock_.steady() + settings_.bookmark_interval : settings_.deadline;
    timers_->set(waker_, std::min(next_bookmark_, settings_.deadline));
  }
  ~WatchStream() override {
    start_.subscription.reset();
    timers_->cancel(waker_.get());
    waker_->clear();
  }

  void on_ready(std::function<void()> ready) override { waker_->set(std::move(ready)); }
  bool ended() const override { return ended_; }

  Piece take_piece(std::size_t limit) override {
    if (!says_what_others_say()) return Piece(take(limit));
    if (!reader_) reader_.emplace(pieces_, settings_.resource + '/' + settings_.ns);
    armed_->store(true);  // before looking: a write after the look wakes us
    const std::uint64_t from = start_.subscription->position();
    if (auto known = reader_->find(from)) {
      start_.subscription->skip_to(known->to);
      return std::move(known->piece);
    }
    std::string out;
    pull(out, limit);
    Piece made(std::move(out));
    if (!made.empty() && !ended_) {
      reader_->keep({from, start_.subscription->position(), made});
    }
    return made;
  }

  std::string take(std::size_t limit) override {
    std::string out;
    if (ended_) return out;
    armed_->store(true);  // before looking: a write after the look wakes us
    if (!start_.error.empty()) {
      append(out, "ERROR", start_.error);
      ended_ = true;
      return out;
    }
    give_initial(out, limit);
    if (out.size() < limit || out.empty()) pull(out, limit);
    give_by_time(out);
    return out;
  }

 private:
  /// The next thing to say is the changes of the whole collection, in their stored form.
  bool says_what_others_say() const {
    return renderer_.plain() && settings_.selector.empty() && start_.error.empty() && !ended_ &&
           !initial_left() && !settings_.initial_events_end &&
           start_.subscription->position() >= start_.version &&
           clock_.steady() < std::min(next_bookmark_, settings_.deadline);
  }

  static void append(std::string& out, std::string_view type, std::string_view object) {
    out += "{\"type\":\"";
    out += type;
    out += "\",\"object\":";
    out += object;
    out += "}\n";
  }

  WithColumns columns() {
    const bool first = !columns_given_;
    columns_given_ = true;
    return first ? WithColumns::Yes : WithColumns::No;
  }

  void show(std::string& out, std::string_view type, std::string_view json) {
    if (renderer_.plain()) return append(out, type, json);
    append(out, type, renderer_.watched(json, columns(), clock_.now()));
  }

  /// Room for what events may become, in one piece.
  static void make_room(std::string& out, const std::vector<storage::Event>& events) {
    std::size_t most = out.size() + kFrame;
    for (const storage::Event& event : events) most += event.now->json.size() + kFrame;
    out.reserve(most);
  }

  bool initial_left() const { return given_ < start_.initial.size() || start_.more; }

  void give_initial(std::string& out, std::size_t limit) {
    while (initial_left() && (out.empty() || out.size() < limit)) {
      if (given_ == start_.initial.size()) {
        read_page(out);
        continue;
      }
      show(out, "ADDED", start_.initial[given_]->json);
      start_.initial[given_++].reset();
    }
    if (ended_ || initial_left() || !settings_.initial_events_end) return;
    settings_.initial_events_end = false;
    append(out, "BOOKMARK", renderer_.bookmark(start_.version, true, columns()));
  }

  /// The next initial objects, of the same moment. Where the history no longer reaches back to it,
  /// the changes since are lost as well: the client has to begin again.
  void read_page(std::string& out) {
    start_.initial.clear();
    given_ = 0;
    start_.more = false;
    auto page = storage_.list(start_.last.resource, settings_.ns, &start_.last, kInitialPage,
                              start_.version);
    if (!page.ok()) return end_expired(out);
    if (page->records.empty()) return;
    start_.more = page->more;
    start_.last = page->records.back()->key;
    for (storage::RecordRef& record : page->records) {
      if (settings_.selector.empty() || settings_.selector.matches(record->attributes)) {
        start_.initial.push_back(std::move(record));
      }
    }
  }

  void end_expired(std::string& out) {
    append(out, "ERROR",
           status_json(refuse(410, "Expired",
                              "too old resource version: " +
                                  std::to_string(start_.subscription->position()))
                           .value()));
    ended_ = true;
  }

  bool concerns(const storage::Record& record) const {
    return settings_.ns.empty() || record.key.ns == settings_.ns;
  }

  void translate(std::string& out, const storage::Event& event) {
    if (event.version <= start_.version) return;
    if (event.now != nullptr && !concerns(*event.now)) return;
    if (settings_.selector.empty()) {
      show(out, name_of(event.type), event.now->json);
      return;
    }
    const bool is_in = event.type != storage::EventType::Deleted &&
                       settings_.selector.matches(event.now->attributes);
    const bool was_in =
        event.before != nullptr && settings_.selector.matches(event.before->attributes);
    if (is_in) {
      show(out, was_in ? "MODIFIED" : "ADDED", event.now->json);
    } else if (was_in && event.type == storage::EventType::Deleted) {
      show(out, "DELETED", event.now->json);
    } else if (was_in) {
      // It left the selection: shown as it last was inside, at the version of the change.
      show(out, "DELETED", with_version(event.before->json, event.version));
    }
  }

  void pull(std::string& out, std::size_t limit) {
    if (ended_ || initial_left()) return;
    while (out.size() < limit) {
      auto events = start_.subscription->take(kBatch);
      if (!events.ok()) return end_expired(out);
      if (events->empty()) break;
      if (settings_.ns.empty() && settings_.selector.empty()) make_room(out, *events);
      for (const storage::Event& event : *events) translate(out, event);
    }
  }

  void give_bookmark(std::string& out) {
    const std::uint64_t version = std::max(start_.version, start_.subscription->position());
    append(out, "BOOKMARK", renderer_.bookmark(version, false, columns()));
  }

  void give_by_time(std::string& out) {
    if (ended_ || initial_left()) return;
    const SteadyTime now = clock_.steady();
    if (now < std::min(next_bookmark_, settings_.deadline)) return;
    // The last bookmark lets the client go on from here without a new list.
    if (settings_.bookmarks) give_bookmark(out);
    if (now >= settings_.deadline) {
      ended_ = true;
      return;
    }
    next_bookmark_ = now + settings_.bookmark_interval;
    timers_->set(waker_, std::min(next_bookmark_, settings_.deadline));
  }

  const storage::Storage& storage_;
  const Clock& clock_;
  const std::shared_ptr<Timers> timers_;
  const std::shared_ptr<SharedPieces> pieces_;
  std::optional<SharedPieces::Reader> reader_;  ///< once it takes what it sends
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<std::atomic<bool>> armed_;
  Renderer renderer_;
  Settings settings_;
  Start start_;
  std::size_t given_ = 0;
  SteadyTime next_bookmark_;
  bool columns_given_ = false;
  bool ended_ = false;
};

std::string too_old(std::uint64_t asked, std::uint64_t now) {
  return status_json(refuse(410, "Expired",
                            "too old resource version: " + std::to_string(asked) + " (" +
                                std::to_string(now) + ")")
                         .value());
}

Answer<Start> begin(Context& context, const Target& target, const ListOptions& options,
                    const std::function<void()>& notify) {
  const std::string resource = target.kind->storage_name();
  const bool with_objects =
      options.send_initial_events.value_or(!options.version.has_value() || *options.version == 0);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Start start;
    std::uint64_t from = 0;
    start.with_objects = with_objects;
    if (with_objects) {
      auto selection = select(context, target, options.selector, nullptr, kInitialPage, 0);
      if (!selection) return Refused(std::move(selection).error());
      start.more = selection->more && !selection->records.empty();
      if (start.more) start.last = selection->records.back()->key;
      start.initial = std::move(selection->records);
      start.version = selection->version;
      from = start.version;
    } else {
      const std::uint64_t now = context.storage.version();
      // A version of the future is waited for, as the real server does.
      start.version = options.version.value_or(0) == 0 ? now : *options.version;
      from = std::min(start.version, now);
    }
    auto subscription = context.storage.subscribe(resource, from, notify);
    if (subscription.ok()) {
      start.subscription = *std::move(subscription);
      return start;
    }
    if (subscription.error().code != Code::Expired) {
      return from_storage(subscription.error(), *target.kind, "");
    }
    if (!with_objects) {
      start.error = too_old(start.version, context.storage.version());
      return start;
    }
  }
  return refuse(503, "ServiceUnavailable", "objects change faster than they can be listed");
}

}  // namespace

Answer<Response> watch_objects(Context& context, const Request& request, const Target& target) {
  auto output = negotiate(request, *target.kind);
  if (!output) return Refused(std::move(output).error());
  if (output->format == Format::Yaml) {
    return not_acceptable(
        "only the following media types are accepted: application/json;stream=watch, "
        "application/vnd.kubernetes.protobuf;stream=watch");
  }
  auto renderer = Renderer::make(request, *target.kind, *output, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto options = list_options(request, *target.kind, Reading::Watch);
  if (!options) return Refused(std::move(options).error());
  if (!target.name.empty()) {
    options->selector.fields.push_back({"metadata.name", SelectorOp::In, {target.name}});
  }

  auto waker = std::make_shared<Waker>();
  auto armed = std::make_shared<std::atomic<bool>>(false);
  auto start = begin(context, target, *options, [waker, armed] {
    // Read first: of a hundred watches that are awake already none is written to.
    if (armed->load() && armed->exchange(false)) waker->wake();
  });
  if (!start) return Refused(std::move(start).error());

  Settings settings;
  settings.resource = target.kind->storage_name();
  settings.ns = target.ns.empty() ? std::string(options->selector.exact_namespace()) : target.ns;
  settings.bookmarks = options->bookmarks;
  settings.initial_events_end = options->bookmarks && start->with_objects;
  settings.selector = std::move(options->selector);
  // At most a day, so that no number of seconds overflows the clock.
  std::int64_t seconds = options->timeout_seconds.value_or(0) > 0
                             ? std::min<std::int64_t>(*options->timeout_seconds, 86'400)
                             : kShortestSeconds + static_cast<std::int64_t>(
                                                      context.identities.below(kShortestSeconds));
  settings.deadline = context.clock.steady() + std::chrono::seconds(seconds);
  settings.bookmark_interval = context.options.bookmark_interval;
  Response response;
  response.stream = std::make_unique<WatchStream>(
      context.storage, context.clock, context.timers, context.pieces, std::move(waker),
      std::move(armed), *std::move(renderer), std::move(settings), *std::move(start));
  return response;
}

}  // namespace millrace::apiserver
