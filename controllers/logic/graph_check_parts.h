/// The pieces of the checks of pipelines, for check.cc and graph_check*.cc only.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/expression/template.h"
#include "controllers/logic/graph_check.h"

namespace millrace::logic {

using Complaints = std::vector<codec::FieldError>;

/// "spec.steps[3]".
std::string indexed(const std::string& path, std::size_t index);
/// The string member `key`, empty when there is none.
const std::string& text_of(const codec::Value& object, std::string_view key);
bool is_dns_label(std::string_view name);
/// "a, b and c"; of many only the first few.
std::string list_names(const std::vector<std::string_view>& names);

/// Check names of volumes; answers all that volumeMounts may name.
std::set<std::string> check_volumes(Complaints& complaints, const std::string& path,
                                    const std::vector<codec::Value>& volumes);

/// What a container of a step is held against.
struct ContainerRules {
  const std::set<std::string>& volumes;  ///< that it may mount
  const char* volumes_field;             ///< where those are declared
  bool named = true;                     ///< it brings its own name
};

/// Check a container that runs to its end.
void check_container(Complaints& complaints, const std::string& path, const codec::Value& container,
                     const ContainerRules& rules);

/// Check `spec.params`.
void check_params(Complaints& complaints, const std::vector<crds::Param>& params);

/// Check everything of a canonical step's settings and action that is no name, edge or template.
/// `volumes`: those that containers may mount.
void check_step(Complaints& complaints, const std::string& path, const crds::Step& step,
                const std::set<std::string>& volumes);
/// The same for a job of conveyor-belt, its body's templates excepted.
void check_belt_job(Complaints& complaints, const std::string& path, const crds::BeltJob& job);

/// Checks that templates can be read and that whatever they name will be there.
class TemplateCheck {
 public:
  TemplateCheck(const crds::PipelineSpec& spec, const std::vector<GraphStep>& steps,
                const GraphShape& shape, GraphFindings& found);

  void check_step(std::size_t step);
  void check_concurrency();

 private:
  /// What a text can see.
  struct Sight {
    std::size_t step = GraphShape::npos;  ///< whose text it is
    const char* own = nullptr;            ///< "response", "object" or "outputs": its own result
    bool matrix = false;
  };
  /// What an expression is for.
  enum class Use { Value, Condition };

  void complain(const std::string& path, std::string message);
  void check_text(const std::string& path, const std::string& text, const Sight& sight);
  void check_expression(const std::string& path, const std::string& text, const Sight& sight,
                        Use use);
  void check_document(const std::string& path, const codec::Value& document, const Sight& sight);
  void check_matrix(const std::string& path, const crds::Matrix& matrix, const Sight& sight);
  void check_action(const std::string& path, const crds::Step& step, const Sight& sight);
  void check_belt(std::size_t step);
  void check_references(const std::string& path, const expression::Template& text,
                        const Sight& sight);
  std::string problem_of(const expression::Reference& reference, const Sight& sight);
  std::string step_problem(const expression::Reference& reference, const Sight& sight);
  std::string order_problem(std::size_t reader, std::size_t other) const;
  std::string field_problem(const expression::Reference& reference, std::size_t other) const;
  void note_read(std::size_t reader, std::size_t other);

  const crds::PipelineSpec& spec_;
  const std::vector<GraphStep>& steps_;
  const GraphShape& shape_;
  GraphFindings& found_;
  using JobKey = std::pair<std::string_view, std::string_view>;  ///< stage and name
  std::set<std::string_view> params_;
  std::map<JobKey, std::size_t> jobs_;  ///< conveyor-belt's, with their positions
  std::vector<std::set<std::size_t>> read_;
  int suggestions_ = 0;
};

}  // namespace millrace::logic
