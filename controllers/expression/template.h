/// Templated strings: text with `{{ expression }}` in it, parsed once and evaluated often.
/// The language is described for users in docs/expressions.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::expression {

struct Program;

/// One step of a path: `.name`, `["name"]` or `[3]`.
struct Segment {
  std::string name;        ///< empty for an index
  bool is_index = false;   ///< `[3]`, not `.name`
  std::int64_t index = 0;  ///< of a list; -1 is its last item

  static Segment named(std::string text) { return {std::move(text), false, 0}; }
  static Segment at(std::int64_t index) { return {"", true, index}; }
  bool operator==(const Segment&) const = default;
};

/// A path that a template reads, for checks without values. Paths of the old spelling come as they
/// are handed to the scope: `.Response.s.j.Body.k` is {"Response", "s", "j", "body", "k"}.
struct Reference {
  std::vector<Segment> path;  ///< not empty; path[0] is the root, e.g. "steps"
  bool complete = true;   ///< false: a computed part follows, e.g. `steps.a.outputs[params.key]`
  bool optional = false;  ///< missing is no error here: left of `default`, in `coalesce`, `exists`,
                          ///< or in the old spelling
  std::size_t offset = 0;  ///< where it begins in the text [bytes]
  std::string text;        ///< as written, e.g. "steps.a.outputs[0]"
  bool operator==(const Reference&) const = default;
};

/// A parsed text. Immutable; copies share the parsed form and may be used on any thread.
class Template {
 public:
  /// The empty text.
  Template();

  /// Parse `text`; without `{{` it is literal text.
  /// Errors: Invalid, with the place ("column 14: ..."): bad syntax, an unknown function, a wrong
  /// number of arguments, nesting above 64, more than 10,000 parts.
  static Result<Template> parse(std::string_view text);

  /// Whether there is nothing to evaluate.
  bool is_literal() const;
  /// Whether the text is exactly one `{{ ... }}`, so that the value keeps its type.
  bool is_expression() const;
  /// The text it was parsed from.
  const std::string& text() const;
  /// Every path it may read, in order of the text; one entry for each place.
  const std::vector<Reference>& references() const;

  /// For the evaluator.
  const Program& program() const { return *program_; }

 private:
  explicit Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

/// `steps.fetch.outputs[0].'two words'`: a path as it can be written.
std::string to_string(const std::vector<Segment>& path);

}  // namespace millrace::expression
