#include <algorithm>
#include <map>

#include "kubeclient/client/typed.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/get_text.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using codec::Value;

constexpr int kPageSize = 500;
constexpr std::chrono::seconds kRead{60};

enum class What { Runs, Pipelines };

bool is_word_for(What what, const std::string& word) {
  static const std::vector<std::string> runs = {"runs", "run", "plr", "pipelineruns",
                                                "pipelinerun"};
  static const std::vector<std::string> pipelines = {"pipelines", "pipeline", "pl"};
  const auto& words = what == What::Runs ? runs : pipelines;
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Everything about one kind that `get` needs.
template <class T>
class Getter {
 public:
  Getter(Session& session, std::string name) : session_(session), name_(std::move(name)) {
    const ClusterArguments& args = session.args();
    ns_ = args.all_namespaces ? "" : session.ns();
    options_.wide = args.output == "wide";
    options_.namespaces = args.all_namespaces;
    options_.look = session.look();
    selectors_.label_selector = args.selector;
    if (!name_.empty()) selectors_.field_selector = "metadata.name=" + name_;
  }

  int print() {
    const std::string& format = session_.args().output;
    if (format.empty() || format == "wide") return print_table();
    if (!name_.empty()) return print_object();
    const auto listed = list_values();
    if (!listed.ok()) return session_.fail_with(listed.error().message);
    if (format == "name") {
      for (const Value& item : listed->find("items")->items()) {
        const auto text = render_object(item.dump(), "name", T::kResource);
        if (text.ok()) session_.env().out << *text;
      }
    } else {
      session_.env().out << (format == "json" ? listed->pretty() + "\n" : codec::to_yaml(*listed));
    }
    return kSuccess;
  }

 private:
  int print_table() {
    if (!name_.empty()) {  // a name that is not there is an error, not an empty table
      const auto found = one();
      if (!found.ok()) return session_.fail_with(found.error().message);
    }
    auto listed =
        client::list_all<T>(session_.reader(), ns_, kPageSize, selectors_, session_.call());
    if (!listed.ok()) return session_.fail_with(listed.error().message);
    if (listed->items.empty() && !session_.args().watch) {
      session_.env().err << "no " << (is_run() ? "runs" : "pipelines") << " found"
                         << (ns_.empty() ? "" : " in namespace " + ns_) << "\n";
    }
    session_.env().out << table_of(listed->items, session_.now(), options_) << std::flush;
    for (const client::BrokenItem& broken : listed->broken) {
      session_.env().err << "warning: " << broken.key.str() << ": " << broken.message << "\n";
    }
    return session_.args().watch ? watch(listed->resource_version) : static_cast<int>(kSuccess);
  }

  Result<T> one() {
    if constexpr (is_run()) {
      return session_.run(name_);
    } else {
      return session_.pipeline(name_);
    }
  }
  static constexpr bool is_run() { return std::is_same_v<T, crds::PipelineRun>; }

  int print_object() {
    const auto found = one();
    if (!found.ok()) return session_.fail_with(found.error().message);
    const auto text =
        session_.reader().get_text(T::kResource, session_.key(name_), session_.call());
    if (!text.ok()) return session_.fail_with(text.error().message);
    const auto shown = render_object(*text, session_.args().output, T::kResource);
    if (!shown.ok()) return session_.fail_with(shown.error().message);
    session_.env().out << *shown;
    return kSuccess;
  }

  /// All pages as one list, as the server gave the objects.
  Result<Value> list_values() {
    Value all = Value::object({{"apiVersion", "v1"}, {"kind", "List"}});
    Value items = Value::array();
    client::ListOptions page = selectors_;
    page.limit = kPageSize;
    do {
      MR_ASSIGN(const std::string text,
                session_.reader().list_text(T::kResource, ns_, page, session_.call()));
      MR_ASSIGN(Value list, Value::parse(text));
      if (Value* found = list.find("items"); found != nullptr && found->is_array()) {
        for (Value& item : found->items()) {
          if (Value* metadata = item.find("metadata")) metadata->erase("managedFields");
          // Items of a list come without them.
          Value whole = Value::object(
              {{"apiVersion", T::kResource.api_version()}, {"kind", T::kResource.kind}});
          for (auto& [key, value] : item.members()) whole[key] = std::move(value);
          items.push_back(std::move(whole));
        }
      }
      const Value* token = list.at_path({"metadata", "continue"});
      page.continue_token = token == nullptr ? "" : token->as_string();
    } while (!page.continue_token.empty());
    all["items"] = std::move(items);
    return all;
  }

  /// Print a row for each change until Ctrl-C.
  int watch(std::string version) {
    options_.header = false;
    const std::stop_token stop = session_.cluster().stop();
    while (!stop.stop_requested()) {
      client::WatchOptions options;
      options.label_selector = selectors_.label_selector;
      options.field_selector = selectors_.field_selector;
      options.resource_version = version;
      auto stream = session_.reader().watch(T::kResource, ns_, options, session_.call());
      if (!stream.ok()) {
        if (stop.stop_requested()) break;
        if (stream.error().code != Code::Expired) return session_.fail_with(stream.error().message);
        version.clear();
        continue;
      }
      if (!follow(**stream, version)) version.clear();
    }
    return kSuccess;
  }

  /// Read one watch to its end; false when `version` is too old.
  bool follow(client::ByteStream& stream, std::string& version) {
    std::string rest;
    for (;;) {
      const auto piece = stream.read(session_.env().clock.steady() + kRead);
      if (!piece.ok() && piece.error().code == Code::Timeout) continue;
      if (!piece.ok() || piece->empty()) return true;
      rest += *piece;
      std::size_t start = 0;
      for (std::size_t end; (end = rest.find('\n', start)) != std::string::npos; start = end + 1) {
        if (!event(std::string_view(rest).substr(start, end - start), version)) return false;
      }
      rest.erase(0, start);
    }
  }

  bool event(std::string_view line, std::string& version) {
    const auto event = Value::parse(line);
    if (!event.ok()) return true;
    const Value* type = event->find("type");
    const Value* object = event->find("object");
    if (type == nullptr || object == nullptr) return true;
    if (type->as_string() == "ERROR") return false;
    if (const Value* v = object->at_path({"metadata", "resourceVersion"})) {
      version = v->as_string();
    }
    if (type->as_string() == "BOOKMARK") return true;
    const auto item = codec::decode<T>(object->dump());
    if (!item.ok()) return true;
    const std::string row = table_of(std::vector<T>{*item}, session_.now(), options_);
    // Changes that no column shows are no news.
    std::string& last = last_[api::key_of(item->metadata)];
    if (row == last && type->as_string() != "DELETED") return true;
    last = row;
    session_.env().out << row << std::flush;
    return true;
  }

  Session& session_;
  const std::string name_;
  std::string ns_;
  GetOptions options_;
  client::ListOptions selectors_;
  std::map<ObjectKey, std::string> last_;
};

}  // namespace

int get(Session& session) {
  const ClusterArguments& args = session.args();
  What what = What::Runs;
  std::vector<std::string> words = args.words;
  if (!words.empty() &&
      (is_word_for(What::Runs, words[0]) || is_word_for(What::Pipelines, words[0]))) {
    what = is_word_for(What::Runs, words[0]) ? What::Runs : What::Pipelines;
    words.erase(words.begin());
  } else if (words.size() > 1) {
    return session.usage("\"" + words[0] + "\" is neither runs nor pipelines");
  }
  if (words.size() > 1) return session.usage("give one NAME, or none for all");
  const std::string name = words.empty() ? "" : words.front();
  const std::string& format = args.output;
  if (args.watch && !format.empty() && format != "wide") {
    return session.usage("--watch shows a table only; leave --output " + format + " out");
  }
  if (args.all_namespaces && !name.empty()) {
    return session.usage("one NAME is in one namespace; leave --all-namespaces out");
  }
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  if (what == What::Runs) return Getter<crds::PipelineRun>(session, name).print();
  return Getter<crds::Pipeline>(session, name).print();
}

}  // namespace millrace::cli
