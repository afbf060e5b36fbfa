#include "controllers/logic/run.h"
#include "kubeclient/client/typed.h"
#include "operator/cli/approval.h"
#include "operator/cli/retry_plan.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using codec::Value;

constexpr const char* kFieldManager = "millrace-cli";
/// Somebody else changed the run between reading and writing; so often we try again.
constexpr int kMostConflicts = 5;
/// Of spec.approvals[].groups.
constexpr std::size_t kMostGroups = 64;

constexpr api::ApiResource kSelfReview{"authentication.k8s.io", "v1", "selfsubjectreviews",
                                       "SelfSubjectReview", false};

Result<Self> who_am_i(Session& session) {
  const Value body =
      Value::object({{"apiVersion", kSelfReview.api_version()}, {"kind", kSelfReview.kind}});
  MR_ASSIGN(const std::string text,
            session.writer().create_text(kSelfReview, "", body.dump(), session.call()));
  MR_ASSIGN(const Value review, Value::parse(text));
  Self self;
  if (const Value* name = review.at_path({"status", "userInfo", "username"})) {
    self.user = name->as_string();
  }
  if (const Value* groups = review.at_path({"status", "userInfo", "groups"})) {
    for (const Value& group : groups->items()) {
      if (self.groups.size() < kMostGroups) self.groups.push_back(group.as_string());
    }
  }
  if (self.user.empty()) {
    return fail(Code::Malformed, "the server did not say who you are (SelfSubjectReview)");
  }
  return self;
}

/// One decision, on the run as it is now. Errors: Conflict: read again.
Result<std::string> decide(Session& session, const std::string& name, const std::string& step,
                           const Self& self) {
  const ClusterArguments& args = session.args();
  MR_ASSIGN(const crds::PipelineRun run, session.run(name));
  const auto lines = step_lines(session.graph(run), run.status);
  MR_ASSIGN(const StepLine line, choose_approval(lines, run, step));
  MR_TRY(check_approver(line.step, self));
  crds::Approval decision;
  decision.step = line.state.name;
  decision.decision = args.reject ? crds::Decision::Reject : crds::Decision::Approve;
  decision.by = self.user;
  decision.groups = self.groups;
  decision.comment = args.comment;
  MR_TRY(session.writer().patch_text(crds::PipelineRun::kResource, session.key(name),
                                     client::PatchType::Merge, approval_patch(run, decision).dump(),
                                     {.field_manager = kFieldManager}, session.call()));
  return name + ": step " + decision.step + (args.reject ? " rejected" : " approved") + " as " +
         self.user;
}

}  // namespace

int cancel(Session& session) {
  const auto& words = session.args().words;
  if (words.empty()) return session.usage("give at least one RUN");
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  int code = kSuccess;
  for (const std::string& name : words) {
    const auto run = session.run(name);
    if (!run.ok()) {
      code = session.fail_with(run.error().message);
      continue;
    }
    if (logic::is_terminal(*run)) {
      session.env().out << name << " has ended already\n";
      continue;
    }
    const auto done = session.writer().patch_text(
        crds::PipelineRun::kResource, session.key(name), client::PatchType::Merge,
        R"({"spec":{"cancel":true}})", {.field_manager = kFieldManager}, session.call());
    if (!done.ok()) {
      code = session.fail_with(name + ": " + done.error().message);
      continue;
    }
    session.env().out << name << " is being cancelled\n";
  }
  return code;
}

int retry(Session& session) {
  const ClusterArguments& args = session.args();
  if (args.words.size() != 1) return session.usage("give one RUN");
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  auto run = session.run(args.words.front());
  if (!run.ok()) return session.fail_with(run.error().message);
  *run = session.restored(*std::move(run));
  const auto plan = plan_retry(*run, session.graph(*run));
  if (!plan.ok()) return session.fail_with(plan.error().message);
  const auto pipeline = session.pipeline(run->spec.ref_pipeline);
  if (!pipeline.ok()) return session.fail_with(pipeline.error().message);
  const std::string& before = run->status.pipeline_revision;
  const std::string& now = pipeline->status.revision;
  if (!before.empty() && !now.empty() && before != now) {
    session.env().err << "note: the pipeline has changed since (" << before << ", now " << now
                      << "); the new run uses it as it is now\n";
  }
  session.env().out << to_text(*plan, session.look());
  if (args.dry_run) return kSuccess;
  const auto created = client::create<crds::PipelineRun>(session.writer(), session.ns(),
                                                         plan->body.dump(), session.call());
  if (!created.ok()) return session.fail_with(created.error().message);
  session.env().out << created->metadata.name << " started\n";
  return kSuccess;
}

int approve(Session& session) {
  const ClusterArguments& args = session.args();
  if (args.words.empty() || args.words.size() > 2) {
    return session.usage("give one RUN, and maybe one STEP of it");
  }
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  const auto self = who_am_i(session);
  if (!self.ok()) return session.fail_with(self.error().message);
  const std::string step = args.words.size() == 2 ? args.words[1] : "";
  for (int i = 0;; ++i) {
    const auto done = decide(session, args.words.front(), step, *self);
    if (done.ok()) {
      session.env().out << *done << "\n";
      return kSuccess;
    }
    if (done.error().code != Code::Conflict || i >= kMostConflicts) {
      return session.fail_with(done.error().message);
    }
  }
}

}  // namespace millrace::cli
