#include <algorithm>

#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/delivery_text.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using codec::Value;

constexpr const char* kSystem = "millrace-system";

std::string proxied(const std::string& ns) {
  return "/api/v1/namespaces/" + ns + "/services/millrace-metrics:metrics/proxy/deliveries";
}

std::string text_of(const Value& item, const char* name) {
  const Value* value = item.find(name);
  return value == nullptr ? "" : one_line(value->as_string());
}

Result<std::string> fetch(Session& session) {
  const std::string& address = session.args().address;
  if (address.empty()) {
    auto text = session.cluster().raw_get(proxied(kSystem));
    if (text.ok()) return text;
    // An operator for one namespace lives there, and who uses it may see nothing of
    // millrace-system.
    if (auto own = session.cluster().raw_get(proxied(session.ns())); own.ok()) return own;
    Error error = text.error();
    error.message += std::string("; is the operator's Service millrace-metrics in the namespace ") +
                     kSystem + " or " + session.ns() +
                     "? Else give its metrics address: --address HOST:PORT";
    return fail(std::move(error));
  }
  const bool whole = address.starts_with("http://") || address.starts_with("https://");
  const std::string host = address.starts_with(":") ? "127.0.0.1" + address : address;
  return session.env().http_get((whole ? address : "http://" + host), "/deliveries");
}

}  // namespace

Result<Value> choose_deliveries(const std::string& json, const std::string& ns,
                                const std::string& pipeline) {
  MR_ASSIGN(const Value all, Value::parse(json));
  const Value* list = all.find("deliveries");
  if (list == nullptr || !list->is_array()) {
    return fail(Code::Malformed,
                "the answer has no list of deliveries; is that the metrics "
                "address of a Millrace operator?");
  }
  Value chosen = Value::array();
  for (const Value& item : list->items()) {
    if (!ns.empty() && text_of(item, "namespace") != ns) continue;
    if (!pipeline.empty() && text_of(item, "pipeline") != pipeline) continue;
    chosen.push_back(item);
  }
  return chosen;
}

std::string deliveries_table(const Value& deliveries, Time now, Look look) {
  Table table({"AGO", "NAMESPACE", "PIPELINE", "VERDICT", "RUN", "REASON", "ID", "REMOTE"});
  for (const Value& item : deliveries.items()) {
    const auto time = parse_time(text_of(item, "time"));
    const std::string run = text_of(item, "run");
    table.add({{time.ok() ? span(*time, now) : text_of(item, "time")},
               {text_of(item, "namespace")},
               {text_of(item, "pipeline")},
               {text_of(item, "verdict"), run.empty() ? Tint::Red : Tint::Green},
               {run},
               {text_of(item, "reason")},
               {text_of(item, "id")},
               {text_of(item, "remote")}});
  }
  return table.empty() ? "" : table.text(look);
}

int deliveries(Session& session) {
  const ClusterArguments& args = session.args();
  if (args.words.size() > 1) return session.usage("give one PIPELINE, or none for all");
  std::string ns = args.choice.ns;
  if (args.address.empty()) {  // an address needs no kubeconfig
    if (const int failed = session.connect(); failed != kSuccess) return failed;
    if (!args.all_namespaces) ns = session.ns();
  }
  if (args.all_namespaces) ns.clear();
  const auto text = fetch(session);
  if (!text.ok()) return session.fail_with(text.error().message);
  const auto chosen = choose_deliveries(*text, ns, args.words.empty() ? "" : args.words.front());
  if (!chosen.ok()) return session.fail_with(chosen.error().message);
  if (!args.output.empty()) {
    const Value whole = Value::object({{"deliveries", *chosen}});
    session.env().out << (args.output == "json" ? whole.pretty() + "\n" : codec::to_yaml(whole));
    return kSuccess;
  }
  if (chosen->empty()) session.env().err << "no deliveries\n";
  session.env().out << deliveries_table(*chosen, session.now(), session.look());
  return kSuccess;
}

}  // namespace millrace::cli
