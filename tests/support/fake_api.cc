#include "tests/support/fake_api.h"

#include <algorithm>
#include <sstream>

namespace millrace::support {
namespace {

/// RFC 7386.
void merge(codec::Value& target, const codec::Value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = codec::Value::object();
  for (const auto& [key, value] : patch.members()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      merge(target[key], value);
    }
  }
}

std::string text_at(const codec::Value& value, std::initializer_list<std::string_view> path) {
  const codec::Value* found = value.at_path(path);
  return found == nullptr ? std::string() : found->as_string();
}

/// One operation of a JSON patch: add or replace, of a member by its path.
void operate(codec::Value& object, const codec::Value& operation) {
  const std::string verb = text_at(operation, {"op"});
  MR_CHECK(verb == "add" || verb == "replace");
  codec::Value* place = &object;
  std::istringstream path(text_at(operation, {"path"}).substr(1));
  for (std::string key; std::getline(path, key, '/');) place = &(*place)[key];
  *place = *operation.find("value");
}

}  // namespace

Error error_of(Code code, std::string message) { return fail(code, std::move(message)).value(); }

/// Plays a script. The mutex of the api guards nothing here: one thread reads a stream.
class FakeApi::Stream final : public client::ByteStream {
 public:
  Stream(FakeApi& api, WatchScript script, std::stop_token stop)
      : api_(api), pieces_(script.pieces.begin(), script.pieces.end()), stop_(std::move(stop)) {}

  Result<std::string> read(SteadyTime deadline) override {
    StreamPiece piece = Hang{};
    if (!pieces_.empty()) {
      piece = std::move(pieces_.front());
      pieces_.pop_front();
    }
    if (auto* bytes = std::get_if<std::string>(&piece)) return std::move(*bytes);
    if (auto* error = std::get_if<Error>(&piece)) return fail(*error);
    if (std::holds_alternative<Silence>(piece)) {
      api_.clock_.advance(deadline - api_.clock_.steady());
      return fail(Code::Timeout, "nothing came");
    }
    auto state = api_.state_.lock();
    ++state->hanging;
    api_.changed_.notify_all();
    api_.changed_.wait(state.lock(), stop_, [this] { return cancelled_; });
    --state->hanging;
    return fail(Code::Cancelled, "cancelled");
  }

  void cancel() override {
    auto state = api_.state_.lock();
    cancelled_ = true;
    api_.changed_.notify_all();
  }

 private:
  FakeApi& api_;
  std::deque<StreamPiece> pieces_;
  std::stop_token stop_;
  bool cancelled_ = false;  ///< under the api's lock
};

void FakeApi::script_watch(WatchScript script) {
  state_.lock()->watches.push_back(std::move(script));
}
void FakeApi::script_list(Result<std::string> answer) {
  state_.lock()->lists.push_back(std::move(answer));
}
void FakeApi::fail_next(const std::string& verb, Error error, int times) {
  auto state = state_.lock();
  for (int i = 0; i < times; ++i) state->faults.push_back({verb, error, false});
}
void FakeApi::lose_answer(const std::string& verb, Error error) {
  state_.lock()->faults.push_back({verb, std::move(error), true});
}
void FakeApi::during_next(const std::string& verb, std::function<void()> hook) {
  state_.lock()->hooks.emplace_back(verb, std::move(hook));
}

bool FakeApi::wait_until_hanging(int streams) {
  auto state = state_.lock();
  return changed_.wait_for(state.lock(), std::chrono::seconds(10),
                           [&] { return state->hanging >= streams; });
}

std::vector<FakeCall> FakeApi::calls(std::string_view verb) const {
  std::vector<FakeCall> out;
  const auto state = state_.lock();
  for (const FakeCall& call : state->calls) {
    if (verb.empty() || call.verb == verb) out.push_back(call);
  }
  return out;
}

codec::Value FakeApi::stored(std::string_view plural, const ObjectKey& key) const {
  const auto state = state_.lock();
  const auto it = state->objects.find({std::string(plural), key});
  return it == state->objects.end() ? codec::Value() : it->second;
}

void FakeApi::store(std::string_view plural, codec::Value object) {
  auto state = state_.lock();
  stamp(*state, object);
  ObjectKey key{text_at(object, {"metadata", "namespace"}), text_at(object, {"metadata", "name"})};
  state->objects.insert_or_assign({std::string(plural), std::move(key)}, std::move(object));
}

void FakeApi::erase(std::string_view plural, const ObjectKey& key) {
  state_.lock()->objects.erase({std::string(plural), key});
}

std::optional<Error> FakeApi::enter(FakeCall call) {
  const std::string verb = call.verb;
  std::function<void()> hook;
  {
    auto state = state_.lock();
    state->calls.push_back(std::move(call));
    const auto it = std::find_if(state->hooks.begin(), state->hooks.end(),
                                 [&](const auto& h) { return h.first == verb; });
    if (it != state->hooks.end()) {
      hook = std::move(it->second);
      state->hooks.erase(it);
    }
  }
  if (hook) hook();
  auto state = state_.lock();
  const auto it = std::find_if(state->faults.begin(), state->faults.end(),
                               [&](const Fault& f) { return f.verb == verb && !f.after; });
  if (it == state->faults.end()) return std::nullopt;
  Error error = std::move(it->error);
  state->faults.erase(it);
  return error;
}

Result<std::string> FakeApi::leave(const std::string& verb, std::string answer) {
  auto state = state_.lock();
  const auto it = std::find_if(state->faults.begin(), state->faults.end(),
                               [&](const Fault& f) { return f.verb == verb && f.after; });
  if (it == state->faults.end()) return answer;
  Error error = std::move(it->error);
  state->faults.erase(it);
  return fail(std::move(error));
}

void FakeApi::stamp(State& state, codec::Value& object) {
  object["metadata"]["resourceVersion"] = codec::Value(std::to_string(++state.version));
}

Result<std::string> FakeApi::get_text(const api::ApiResource& resource, const ObjectKey& key,
                                      const client::CallOptions&) {
  if (auto error = enter({"get", std::string(resource.plural), key, {}})) return fail(*error);
  const codec::Value object = stored(resource.plural, key);
  if (object.is_null()) return fail(Code::NotFound, key.str() + " not found");
  return leave("get", object.dump());
}

Result<std::string> FakeApi::list_text(const api::ApiResource& resource, const std::string& ns,
                                       const client::ListOptions& list,
                                       const client::CallOptions&) {
  FakeCall call{"list", std::string(resource.plural), {ns, {}}, {}};
  call.list = list;
  if (auto error = enter(std::move(call))) return fail(*error);
  auto state = state_.lock();
  if (!state->lists.empty()) {
    auto answer = std::move(state->lists.front());
    state->lists.pop_front();
    return answer;
  }
  codec::Value page = codec::Value::object();
  page["metadata"]["resourceVersion"] = codec::Value(std::to_string(state->version));
  page["items"] = codec::Value::array();
  for (const auto& [address, object] : state->objects) {
    const bool here = ns.empty() || address.second.ns == ns;
    if (address.first == resource.plural && here) page["items"].push_back(object);
  }
  return page.dump();
}

Result<std::unique_ptr<client::ByteStream>> FakeApi::watch(const api::ApiResource& resource,
                                                           const std::string& ns,
                                                           const client::WatchOptions& watch,
                                                           const client::CallOptions& options) {
  FakeCall call{"watch", std::string(resource.plural), {ns, {}}, {}};
  call.watch = watch;
  if (auto error = enter(std::move(call))) return fail(*error);
  WatchScript script;
  auto state = state_.lock();
  if (!state->watches.empty()) {
    script = std::move(state->watches.front());
    state->watches.pop_front();
  }
  if (script.refuse) return fail(*script.refuse);
  return std::unique_ptr<client::ByteStream>(
      std::make_unique<Stream>(*this, std::move(script), options.stop));
}

Result<std::string> FakeApi::create_text(const api::ApiResource& resource, const std::string& ns,
                                         std::string_view body, const client::CallOptions&) {
  MR_ASSIGN(codec::Value object, codec::Value::parse(body));
  const ObjectKey key{ns, text_at(object, {"metadata", "name"})};
  if (auto error = enter({"create", std::string(resource.plural), key, std::string(body)})) {
    return fail(*error);
  }
  {
    auto state = state_.lock();
    const Address address{std::string(resource.plural), key};
    if (state->objects.contains(address)) return fail(Code::AlreadyExists, key.str() + " exists");
    object["metadata"]["namespace"] = codec::Value(ns);
    stamp(*state, object);
    state->objects.emplace(address, object);
  }
  return leave("create", object.dump());
}

Result<std::string> FakeApi::replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                          std::string_view body, const std::string&,
                                          const client::CallOptions&) {
  MR_ASSIGN(codec::Value object, codec::Value::parse(body));
  if (auto error = enter({"replace", std::string(resource.plural), key, std::string(body)})) {
    return fail(*error);
  }
  {
    auto state = state_.lock();
    const auto it = state->objects.find({std::string(resource.plural), key});
    if (it == state->objects.end()) return fail(Code::NotFound, key.str() + " not found");
    const std::string want = text_at(object, {"metadata", "resourceVersion"});
    if (!want.empty() && want != text_at(it->second, {"metadata", "resourceVersion"})) {
      return fail(Code::Conflict, key.str() + " was changed");
    }
    stamp(*state, object);
    it->second = object;
  }
  return leave("replace", object.dump());
}

Result<std::string> FakeApi::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                        client::PatchType type, std::string_view body,
                                        const client::PatchOptions&, const client::CallOptions&) {
  MR_ASSIGN(const codec::Value patch, codec::Value::parse(body));
  if (auto error = enter({"patch", std::string(resource.plural), key, std::string(body)})) {
    return fail(*error);
  }
  std::string answer;
  {
    auto state = state_.lock();
    const auto it = state->objects.find({std::string(resource.plural), key});
    if (it == state->objects.end()) return fail(Code::NotFound, key.str() + " not found");
    codec::Value object = it->second;
    const std::string version = text_at(object, {"metadata", "resourceVersion"});
    if (type == client::PatchType::Json) {
      for (const codec::Value& operation : patch.items()) operate(object, operation);
    } else {
      MR_CHECK(type == client::PatchType::Merge);
      merge(object, patch);
    }
    if (text_at(object, {"metadata", "resourceVersion"}) != version) {
      return fail(Code::Conflict, key.str() + " was changed");
    }
    it->second = std::move(object);
    stamp(*state, it->second);
    answer = it->second.dump();
  }
  return leave("patch", std::move(answer));
}

Result<std::string> FakeApi::delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                         const client::DeleteOptions&, const client::CallOptions&) {
  if (auto error = enter({"delete", std::string(resource.plural), key, {}})) return fail(*error);
  const codec::Value object = stored(resource.plural, key);
  if (object.is_null()) return fail(Code::NotFound, key.str() + " not found");
  erase(resource.plural, key);
  return leave("delete", object.dump());
}

}  // namespace millrace::support
