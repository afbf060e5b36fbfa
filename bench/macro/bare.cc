#include "bench/macro/bare.h"

#include <algorithm>
#include <map>

#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::bench {

using codec::Value;

namespace {

std::string text_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

constexpr int kTries = 6;

/// A machine that stalls for half a minute should not end a measurement of an hour.
bool passes(Code code) {
  return code == Code::Timeout || code == Code::Unavailable || code == Code::Throttled;
}

/// Writes by their ids, while the script is read.
using Ids = std::map<std::string, std::size_t>;

Result<std::size_t> find(const Ids& ids, const std::string& id) {
  const auto at = ids.find(id);
  if (at == ids.end()) return fail(Code::Invalid, "script: no write before is called " + id);
  return at->second;
}

Result<Script::Kind> kind_of(const std::string& what) {
  if (what == "create") return Script::Kind::Create;
  if (what == "status") return Script::Kind::Status;
  if (what == "wait") return Script::Kind::Wait;
  return fail(Code::Invalid, "script: cannot do " + what);
}

/// Fill in what depends on the writes before.
Result<void> connect(Script& script, const Ids& ids, std::size_t i, const Value& item) {
  Script::Write& write = script.writes[i];
  write.object = i;
  if (write.kind != Script::Kind::Create) {
    MR_ASSIGN(write.object, find(ids, text_of(item, "of")));
    write.resource = script.writes[write.object].resource;
    write.name = script.writes[write.object].name;
  }
  if (const Value* after = item.find("after")) {
    for (const Value& each : after->items()) {
      MR_ASSIGN(const std::size_t before, find(ids, each.as_string()));
      script.writes[before].next.push_back(i);
      ++write.before;
    }
  }
  static constexpr std::string_view kMark = "$(uid:";
  for (std::size_t at = 0; (at = write.body.find(kMark, at)) != std::string::npos; ++at) {
    const std::string mark = write.body.substr(at, write.body.find(')', at) + 1 - at);
    MR_ASSIGN(const std::size_t made,
              find(ids, mark.substr(kMark.size(), mark.size() - kMark.size() - 1)));
    if (std::find(write.marks.begin(), write.marks.end(), mark) != write.marks.end()) continue;
    write.uid_of.push_back(made);
    write.marks.push_back(mark);
  }
  return {};
}

}  // namespace

Result<Script> Script::parse(const std::string& text) {
  MR_ASSIGN(const Value list, Value::parse(text));
  Script script;
  Ids ids;
  for (const Value& item : list.items()) {
    Write write;
    MR_ASSIGN(write.kind, kind_of(text_of(item, "do")));
    if (write.kind == Kind::Create) {
      MR_ASSIGN(write.resource, parse_resource(text_of(item, "resource")));
      write.name = text_of(item, "name");
    }
    const Value* body = item.find(write.kind == Kind::Status ? "status" : "body");
    if (body != nullptr) write.body = body->dump();
    const std::size_t i = script.writes.size();
    script.writes.push_back(std::move(write));
    MR_TRY(connect(script, ids, i, item));
    // A pod may end before the answer to its creation is here: a wait comes after nothing.
    if (script.writes[i].kind == Kind::Wait) script.writes[i].before = 1;
    if (i > 0 && script.writes[i].before == 0) {
      return fail(Code::Invalid, "script: only the first write may come after nothing");
    }
    ids[text_of(item, "id")] = i;
  }
  if (script.writes.empty()) return fail(Code::Invalid, "script: empty");
  return script;
}

bool Script::waits_for_pods() const {
  for (const Write& write : writes) {
    if (write.kind == Kind::Wait) return true;
  }
  return false;
}

BareClient::BareClient(client::Client& api, Script script, std::string ns, int threads,
                       Board& board)
    : api_(api), script_(std::move(script)), ns_(std::move(ns)), board_(board) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

BareClient::~BareClient() {
  state_.lock()->stopping = true;
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Result<void> BareClient::start(const std::string& name) {
  Task first{0, 0};
  {
    auto state = state_.lock();
    first.run = state->runs.size();
    Run& run = state->runs.emplace_back();
    run.name = name;
    run.left = script_.writes.size();
    run.made.resize(run.left);
    ++state->unfinished;
    for (std::size_t i = 0; i < script_.writes.size(); ++i) {
      run.before.push_back(script_.writes[i].before);
      if (script_.writes[i].kind != Script::Kind::Wait) continue;
      state->pods[filled(script_.writes[i].name, "$(NAME)", name)] = {first.run, i};
    }
  }
  MR_TRY(perform(first));
  finish(first);
  return {};
}

void BareClient::pod_ended(const std::string& pod) {
  Task task{0, 0};
  {
    auto state = state_.lock();
    const auto at = state->pods.find(pod);
    if (at == state->pods.end()) return;
    task = at->second;
    state->pods.erase(at);
  }
  finish(task);
}

Result<void> BareClient::drain(SteadyTime deadline) {
  auto state = state_.lock();
  const bool done =
      drained_.wait_until(state.lock(), deadline, [&] { return state->unfinished == 0; });
  if (done) return {};
  return fail(Code::Timeout, std::to_string(state->unfinished) + " runs have writes left");
}

void BareClient::work() {
  while (true) {
    Task task{0, 0};
    {
      auto state = state_.lock();
      ready_.wait(state.lock(), [&] { return state->stopping || !state->ready.empty(); });
      if (state->stopping) return;
      task = state->ready.front();
      state->ready.pop_front();
    }
    const auto done = perform(task);
    if (!done.ok()) return board_.abort(done.error().message);
    finish(task);
  }
}

std::string BareClient::body_of(const Task& task, const Script::Write& write) {
  std::string body = write.body;
  auto state = state_.lock();
  const Run& run = state->runs[task.run];
  body = filled(std::move(body), "$(NAME)", run.name);
  for (std::size_t i = 0; i < write.marks.size(); ++i) {
    body = filled(std::move(body), write.marks[i], run.made[write.uid_of[i]].uid);
  }
  return body;
}

Result<std::string> BareClient::send(const Script::Write& write, const std::string& name,
                                     const std::string& body, const std::string& version) {
  if (write.kind == Script::Kind::Create) {
    return api_.create_text(write.resource.resource(), ns_, body, {});
  }
  std::string patch = R"([{"op":"replace","path":"/metadata/resourceVersion","value":)";
  codec::append_json_string(patch, version);
  patch += R"(},{"op":"add","path":"/status","value":)" + body + "}]";
  client::PatchOptions options;
  options.subresource = "status";
  return api_.patch_text(write.resource.resource(), {ns_, name}, client::PatchType::Json, patch,
                         options, {});
}

Result<void> BareClient::perform(const Task& task) {
  const Script::Write& write = script_.writes[task.write];
  const std::string body = body_of(task, write);
  std::string name;
  std::string version;
  {
    auto state = state_.lock();
    const Run& run = state->runs[task.run];
    name = filled(write.name, "$(NAME)", run.name);
    version = run.made[write.object].version;
  }
  Result<std::string> answer = send(write, name, body, version);
  for (int tries = 1; tries < kTries && !answer.ok() && passes(answer.error().code); ++tries) {
    ++retries_;
    std::this_thread::sleep_for(std::chrono::seconds(1));
    answer = send(write, name, body, version);
    if (answer.ok()) break;
    const Code code = answer.error().code;
    // The write before had arrived: nobody else writes these objects.
    if (code == Code::AlreadyExists || code == Code::Conflict) {
      answer = api_.get_text(write.resource.resource(), {ns_, name}, {});
    }
  }
  if (!answer.ok()) return fail(answer.error());
  MR_ASSIGN(const AnyObject object, codec::decode<AnyObject>(*answer));
  state_.lock()->runs[task.run].made[write.object] = {object.metadata.uid,
                                                      object.metadata.resource_version};
  return {};
}

void BareClient::finish(const Task& task) {
  std::size_t ready = 0;
  bool over = false;
  {
    auto state = state_.lock();
    Run& run = state->runs[task.run];
    for (const std::size_t next : script_.writes[task.write].next) {
      if (--run.before[next] > 0) continue;
      state->ready.push_back({task.run, next});
      ++ready;
    }
    if (--run.left == 0) {
      run = {};
      over = --state->unfinished == 0;
    }
  }
  for (; ready > 0; --ready) ready_.notify_one();
  if (over) drained_.notify_all();
}

}  // namespace millrace::bench
