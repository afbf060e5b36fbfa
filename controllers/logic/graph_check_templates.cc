#include <algorithm>
#include <array>

#include "controllers/expression/evaluate.h"
#include "controllers/expression/go_template.h"
#include "controllers/logic/graph_check_parts.h"
#include "kubeclient/codec/schema_check.h"

namespace millrace::logic {

using codec::Value;
using expression::Reference;
using expression::Template;

namespace {

constexpr std::size_t kMaxCombinations = 256;
/// Looking for a similar name costs; after so many the reader has seen the point.
constexpr int kMaxSuggestions = 20;

constexpr std::array<std::string_view, 7> kRunFields = {
    "name", "id", "namespace", "pipeline", "attempt", "status", "failedSteps"};
constexpr std::array<std::string_view, 7> kStepFields = {
    "status", "outputs", "response", "reason", "message", "exitCode", "attempt"};
constexpr std::array<std::string_view, 3> kResponseFields = {"status", "headers", "body"};

template <class Names>
bool has_name(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <class Names>
std::string list(const Names& names) {
  return list_names(std::vector<std::string_view>(names.begin(), names.end()));
}

bool is_templated(std::string_view text) { return text.find("{{") != std::string_view::npos; }

std::string trimmed(const std::string& text) {
  const std::size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

std::string joined(const std::string& path, const std::string& below) {
  if (below.empty()) return path;
  return path + (below.front() == '[' ? "" : ".") + below;
}

/// `message` of the parser about "{{ text }}", about `text` alone.
std::string without_braces(std::string message, const std::string& text) {
  constexpr std::string_view kEnd = "found `}`";
  if (message.ends_with(kEnd) && text.find('}') == std::string::npos) {
    message.replace(message.size() - kEnd.size(), kEnd.size(), "found the end");
  }
  constexpr std::string_view kColumn = "column ";
  constexpr int kShift = 3;  // "{{ "
  if (!message.starts_with(kColumn)) return message;
  std::size_t end = kColumn.size();
  int column = 0;
  while (end < message.size() && message[end] >= '0' && message[end] <= '9' && column < 100'000) {
    column = column * 10 + (message[end++] - '0');
  }
  return std::string(kColumn) + std::to_string(std::max(1, column - kShift)) + message.substr(end);
}

/// The name at `index` of the path; empty where there is none, or a number.
std::string_view name_at(const Reference& reference, std::size_t index) {
  if (reference.path.size() <= index || reference.path[index].is_index) return {};
  return reference.path[index].name;
}

/// The outputs that a step can have, where the text tells; none for those its program writes.
std::optional<std::vector<std::string_view>> known_outputs(const GraphStep& of) {
  if (of.job != nullptr) return std::vector<std::string_view>();
  const crds::Step& step = *of.step;
  if (step.approval) return std::vector<std::string_view>{"by", "comment"};
  if (step.pipeline) return std::vector<std::string_view>{"run"};
  if (step.wait) return std::vector<std::string_view>();
  if (!step.http && !step.manifest) return std::nullopt;
  std::vector<std::string_view> names;
  for (const auto& [name, text] : step.outputs) names.push_back(name);
  return names;
}

const char* group_name(Group group) {
  return group == Group::Main ? "steps" : group == Group::OnError ? "onError" : "finally";
}

}  // namespace

TemplateCheck::TemplateCheck(const crds::PipelineSpec& spec, const std::vector<GraphStep>& steps,
                             const GraphShape& shape, GraphFindings& found)
    : spec_(spec), steps_(steps), shape_(shape), found_(found), read_(steps.size()) {
  for (const crds::Param& param : spec.params) params_.insert(param.name);
  found_.reads.resize(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const crds::BeltJob* job = steps[i].job;
    if (job != nullptr && steps[i].group == Group::Main)
      jobs_.emplace(JobKey(job->stage, job->name), i);
  }
}

void TemplateCheck::complain(const std::string& path, std::string message) {
  found_.errors.push_back({path, std::move(message)});
}

// ---- texts ----

void TemplateCheck::check_text(const std::string& path, const std::string& text,
                               const Sight& sight) {
  if (!is_templated(text)) return;
  const auto parsed = Template::parse(text);
  if (!parsed.ok()) return complain(path, parsed.error().message);
  check_references(path, *parsed, sight);
}

void TemplateCheck::check_expression(const std::string& path, const std::string& text,
                                     const Sight& sight, Use use) {
  if (text.empty()) return;
  const bool bare = !is_templated(text);
  const auto parsed = Template::parse(bare ? "{{ " + text + " }}" : trimmed(text));
  if (!parsed.ok()) {
    return complain(path,
                    bare ? without_braces(parsed.error().message, text) : parsed.error().message);
  }
  if (use == Use::Condition && !parsed->is_expression()) {
    complain(path,
             "must be one expression that is true or false, such as {{ a && b }}, without "
             "text around it");
  }
  check_references(path, *parsed, sight);
}

void TemplateCheck::check_document(const std::string& path, const Value& document,
                                   const Sight& sight) {
  for (const expression::FieldTemplate& field : expression::templates_of(document)) {
    const std::string at = joined(path, field.path);
    if (!field.content.ok()) {
      complain(at, field.content.error().message);
      continue;
    }
    check_references(at, *field.content, sight);
  }
}

void TemplateCheck::check_matrix(const std::string& path, const crds::Matrix& matrix,
                                 const Sight& sight) {
  if (matrix.params.empty()) complain(path + ".params", "give at least one list");
  std::size_t combinations = 1;
  for (const auto& [name, given] : matrix.params) {
    const std::string at = path + ".params." + name;
    if (given.is_string()) {
      const auto parsed = Template::parse(given.as_string());
      if (!parsed.ok()) {
        complain(at, parsed.error().message);
      } else if (!parsed->is_expression()) {
        complain(at, "must be a list, or one expression {{ ... }} that gives a list");
      } else {
        check_references(at, *parsed, sight);
      }
      continue;
    }
    if (!given.is_array() || given.empty()) {
      complain(at, given.is_array() ? "must have at least one item"
                                    : "must be a list, or an expression that gives one");
      continue;
    }
    for (const expression::FieldTemplate& field : expression::templates_of(given)) {
      complain(joined(at, field.path),
               "items are values, not templates; write the whole list as one expression, such as "
               "{{ [params.a, 'b'] }}");
    }
    combinations = std::min(combinations * given.items().size(), kMaxCombinations + 1);
  }
  if (combinations > kMaxCombinations) {
    complain(path, "makes more than " + std::to_string(kMaxCombinations) + " combinations");
  }
}

void TemplateCheck::check_action(const std::string& path, const crds::Step& step,
                                 const Sight& sight) {
  const auto own = [&](const char* root) {
    Sight with = sight;
    with.own = root;
    return with;
  };
  if (!step.container.is_null()) check_document(path + ".container", step.container, sight);
  for (std::size_t i = 0; i < step.containers.size(); ++i) {
    check_document(indexed(path + ".containers", i), step.containers[i], sight);
  }
  if (step.http) {
    const std::string at = path + ".http";
    check_text(at + ".url", step.http->url, sight);
    for (std::size_t i = 0; i < step.http->headers.size(); ++i) {
      check_text(indexed(at + ".headers", i) + ".value", step.http->headers[i].value, sight);
    }
    check_document(at + ".body", step.http->body, sight);
    check_expression(at + ".success", step.http->success, own("response"), Use::Condition);
  }
  if (step.manifest) {
    const std::string at = path + ".manifest";
    check_document(at + ".object", step.manifest->object, sight);
    check_expression(at + ".success", step.manifest->success, own("object"), Use::Condition);
    check_expression(at + ".failure", step.manifest->failure, own("object"), Use::Condition);
  }
  if (step.approval) check_text(path + ".approval.message", step.approval->message, sight);
  if (step.pipeline) {
    for (const auto& [name, value] : step.pipeline->params) {
      check_document(path + ".pipeline.params." + name, value, sight);
    }
  }
  if (step.wait) check_text(path + ".wait.duration", step.wait->duration, sight);
}

void TemplateCheck::check_step(std::size_t index) {
  const GraphStep& of = steps_[index];
  if (of.job != nullptr) return check_belt(index);
  const crds::Step& step = *of.step;
  Sight sight;
  sight.step = index;
  check_expression(of.path + ".when", step.when, sight, Use::Condition);
  if (step.matrix) check_matrix(of.path + ".matrix", *step.matrix, sight);
  sight.matrix = step.matrix.has_value();
  Sight own = sight;
  own.own = step.http ? "response" : step.manifest ? "object" : "outputs";
  for (const auto& [name, text] : step.outputs) {
    const std::string at = of.path + ".outputs." + name;
    if (text.empty()) complain(at, "give an expression over " + std::string(own.own));
    check_expression(at, text, own, Use::Value);
  }
  check_action(of.path, step, sight);
}

/// Go templates name stages and jobs; what is missing is the empty text, hence no mistake.
void TemplateCheck::check_belt(std::size_t index) {
  const GraphStep& of = steps_[index];
  const std::string path = of.path + ".action.http.data";
  for (const expression::GoField& field : expression::go_templates_of(of.job->action.http.data)) {
    if (!field.content.ok()) {
      complain(joined(path, field.path), field.content.error().message);
      continue;
    }
    for (const expression::GoTemplate::Reference& read : field.content->references()) {
      if (!read.job.empty()) {
        const auto known = jobs_.find({read.stage, read.job});
        if (known != jobs_.end()) note_read(index, known->second);
        continue;
      }
      for (auto at = jobs_.lower_bound({read.stage, std::string_view()});
           at != jobs_.end() && at->first.first == read.stage; ++at) {
        note_read(index, at->second);
      }
    }
  }
}

void TemplateCheck::check_concurrency() {
  if (!spec_.concurrency) return;
  check_text("spec.concurrency.group", spec_.concurrency->group, {});
}

// ---- what they name ----

void TemplateCheck::check_references(const std::string& path, const Template& text,
                                     const Sight& sight) {
  for (const Reference& reference : text.references()) {
    std::string problem = problem_of(reference, sight);
    if (!problem.empty()) complain(path, reference.text + ": " + problem);
  }
}

std::string TemplateCheck::problem_of(const Reference& reference, const Sight& sight) {
  const std::string_view root = name_at(reference, 0);
  const std::string_view name = name_at(reference, 1);
  const bool named = reference.path.size() > 1;
  if (root == "params") {
    if (!named || params_.contains(name)) return {};
    return "the pipeline has no param " + std::string(name) +
           (params_.empty() ? std::string("; it has none") : "; it has " + list(params_));
  }
  if (root == "run") {
    if (!named || has_name(kRunFields, name)) return {};
    return "a run has no " + std::string(name) + "; it has " + list(kRunFields);
  }
  if (root == "trigger") return {};
  if (root == "steps" && sight.step != GraphShape::npos) return step_problem(reference, sight);
  if (root == "matrix" && sight.step != GraphShape::npos) {
    const crds::Step* step = steps_[sight.step].step;
    if (step == nullptr || !step->matrix) return "the step has no matrix";
    if (!sight.matrix) return "there are no combinations yet; when and matrix are read once before";
    if (!named || step->matrix->params.contains(std::string(name))) return {};
    return "matrix.params has no " + std::string(name);
  }
  if (sight.own != nullptr && root == sight.own) {
    if (root != "response" || !named || has_name(kResponseFields, name)) return {};
    return "a response has status, headers and body";
  }
  if (has_name(std::array<std::string_view, 4>{"Response", "Name", "Stages", "Time"}, root)) {
    return "this spelling is for jobs; write steps.<step>.response.body.<key>, or run.pipeline for "
           "the name";
  }
  std::string known = "params, run, trigger";
  if (sight.step != GraphShape::npos) known += ", steps";
  if (sight.matrix) known += ", matrix";
  if (sight.own != nullptr) known += std::string(", ") + sight.own;
  return "there is no " + std::string(root) + " here; known: " + known;
}

std::string TemplateCheck::step_problem(const Reference& reference, const Sight& sight) {
  const std::string_view name = name_at(reference, 1);
  if (name.empty()) return "name the step: steps.<step>.outputs.<name>";
  const std::size_t other = shape_.find(name);
  if (other == GraphShape::npos) {
    std::vector<std::string_view> names;
    if (suggestions_++ < kMaxSuggestions) {
      for (const GraphStep& step : steps_) names.push_back(step.name);
    }
    const std::string_view near = codec::nearest_name(name, names);
    return "there is no step " + std::string(name) +
           (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?");
  }
  note_read(sight.step, other);
  std::string problem = order_problem(sight.step, other);
  return problem.empty() ? field_problem(reference, other) : problem;
}

std::string TemplateCheck::order_problem(std::size_t reader, std::size_t other) const {
  const GraphStep& step = steps_[reader];
  const GraphStep& read = steps_[other];
  if (reader == other) {
    return "a step cannot read its own result so; in outputs, success and failure write response, "
           "object or outputs";
  }
  if (read.group < step.group) return {};
  if (read.group > step.group) {
    return std::string("step ") + read.name + " is in " + group_name(read.group) +
           ", which runs later";
  }
  if (shape_.order().size() < steps_.size()) return {};  // there is a cycle, which is said already
  if (shape_.waits_for(reader, other)) return {};
  return "step " + read.name + " need not have ended before this one begins; add it to dependsOn";
}

std::string TemplateCheck::field_problem(const Reference& reference, std::size_t other) const {
  if (reference.path.size() < 3) return {};
  const GraphStep& read = steps_[other];
  const std::string_view field = name_at(reference, 2);
  if (!has_name(kStepFields, field)) {
    return "a step has no " + std::string(field) + "; it has " + list(kStepFields);
  }
  const std::string_view name = name_at(reference, 3);
  const bool named = reference.path.size() > 3;
  if (field == "response") {
    if (read.job == nullptr && !read.step->http) {
      return "step " + read.name + " makes no HTTP call, hence has no response";
    }
    const bool many = read.step != nullptr && read.step->matrix.has_value();
    if (many) return "step " + read.name + " has a matrix; give it outputs and read those";
    if (!named || has_name(kResponseFields, name)) return {};
    return "a response has status, headers and body";
  }
  if (field != "outputs" || !named) return {};
  const auto known = known_outputs(read);
  if (!known || has_name(*known, name)) return {};
  return "step " + read.name + " has no output " + std::string(name) +
         (known->empty() ? std::string("; it has none") : "; it has " + list_names(*known));
}

void TemplateCheck::note_read(std::size_t reader, std::size_t other) {
  if (read_[reader].insert(other).second) found_.reads[reader].push_back(other);
}

}  // namespace millrace::logic
