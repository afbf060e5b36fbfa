#include <istream>
#include <iterator>

#include "crds/pipeline.h"
#include "kubeclient/client/client.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/checks.h"
#include "operator/cli/import_file.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

constexpr const char* kFieldManager = "millrace-cli";

/// Apply our kinds of `text`; other documents are left to kubectl.
int apply(Session& session, const std::string& text, const std::string& file) {
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  const auto documents = codec::parse_yaml_documents(text, file);
  if (!documents.ok()) return session.fail_with(documents.error().message);
  int code = kSuccess;
  for (const codec::YamlDocument& document : *documents) {
    codec::Value object = document.value;
    const codec::Value* kind = object.find("kind");
    const codec::Value* name = object.at_path({"metadata", "name"});
    const api::ApiResource* resource = our_resource(kind == nullptr ? "" : kind->as_string());
    if (resource == nullptr || name == nullptr) {
      session.env().err << file << ":" << document.start.line
                        << ": not applied, as it is no kind of ours; use kubectl apply\n";
      continue;
    }
    const std::string wanted = name->as_string();  // before the object changes
    const codec::Value* given = object.at_path({"metadata", "namespace"});
    const std::string ns =
        given != nullptr && session.args().choice.ns.empty() ? given->as_string() : session.ns();
    object["metadata"]["namespace"] = ns;
    object.erase("status");
    const auto done = session.writer().patch_text(
        *resource, {ns, wanted}, client::PatchType::Apply, object.dump(),
        {.field_manager = kFieldManager, .force = true}, session.call());
    if (!done.ok()) {
      code = session.fail_with(wanted + ": " + done.error().message);
      continue;
    }
    session.env().out << *render_object(*done, "name", *resource);
  }
  return code;
}

}  // namespace

int import(Session& session) {
  const ClusterArguments& args = session.args();
  const Environment& env = session.env();
  if (args.words.size() != 1) return session.usage("give one FILE, or - for standard input");
  std::string text;
  const std::string& path = args.words.front();
  const std::string file = path == "-" ? "<stdin>" : path;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(env.in), {});
  } else {
    auto read = env.read_file(path);
    if (!read.ok()) return session.fail_with(read.error().message);
    text = *std::move(read);
  }
  const auto imported = import_text(text, file, deeper_checks(env, nullptr));
  if (!imported.ok()) return session.fail_with(imported.error().message);
  for (const crds::Finding& finding : imported->findings) {
    env.err << crds::to_string(finding) << "\n";
  }
  if (!imported->ok()) return kFailure;
  if (args.apply) return apply(session, imported->text, file);
  env.out << imported->text;
  if (!imported->text.empty() && imported->text.back() != '\n') env.out << "\n";
  return kSuccess;
}

}  // namespace millrace::cli
