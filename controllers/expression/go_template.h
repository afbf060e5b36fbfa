/// The templates of conveyor-belt files: the part of Go's template language that such files can use
/// in the `data` of their HTTP jobs. Total: every template and run give a value or an error, in
/// bounded time and memory. Nothing is escaped, and no value is evaluated again.
///
/// Error messages name bytes, fields, functions and types, never values, since those may be
/// secrets. The language is described for users in docs/expressions.md; its source is
/// seed-systems, 1.4.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

namespace gotmpl {
struct Program;
}

/// A parsed text. Immutable; copies share the parsed form and may be used on any thread.
class GoTemplate {
 public:
  /// A response that the template reads, as far as the text tells.
  struct Reference {
    std::string stage;
    std::string job;         ///< empty: computed, or all jobs of the stage
    std::size_t offset = 0;  ///< where it begins in the text [bytes]
    bool operator==(const Reference&) const = default;
  };

  /// How values are written into text. Strings, booleans and what is missing (the empty text) are
  /// the same in both.
  enum class Spelling {
    Json,  ///< `12345678901`, `[1,"x"]`, `{"k":"v"}`
    Go,    ///< as the old program: `1.2345678901e+10`, `[1 x]`, `map[k:v]`
  };

  /// Bounds of one `render`, or of a whole document.
  struct Limits {
    /// Units of work: one for each part evaluated, each item looked at and each 64 bytes.
    std::size_t steps = 200'000;
    std::size_t output_bytes = std::size_t{1} << 20;  ///< all text that comes out [bytes]
    std::size_t made_bytes = std::size_t{8} << 20;    ///< all text made on the way [bytes]
  };

  /// The empty text.
  GoTemplate();

  /// Parse `text`; without `{{` it is literal text.
  /// Errors: Invalid ("at byte 14: ...", and what to write instead): bad syntax, an unknown
  /// function or top-level field, a wrong number of arguments, `define` and the like, nesting above
  /// 64, more than 10,000 parts.
  static Result<GoTemplate> parse(std::string_view text);

  /// Whether there is nothing to evaluate.
  bool is_literal() const;
  /// Whether the text is exactly one `{{ ... }}` that writes a value, with nothing around it.
  bool is_single_action() const;
  /// The responses it may read, in order of the text; one entry for each place.
  const std::vector<Reference>& references() const;

  /// The text with its actions carried out; of any type if it is a single action that ends in
  /// `toBool`, `toInt` or `toJson`, else a string. What is missing or null is the empty text.
  ///
  /// `root` is an object: Name (string), Stages (list), Response (stage → job → Status, Headers:
  /// name → list, Body), Time (Start, Total). Errors: Invalid ("at byte 14: ..."): wrong types, a
  /// limit, a top-level field that is not in `root`.
  Result<codec::Value> render(const codec::Value& root, const Limits& limits,
                              Spelling spelling = Spelling::Json) const;
  Result<codec::Value> render(const codec::Value& root) const { return render(root, Limits()); }

  /// For the evaluator.
  const gotmpl::Program& program() const { return *program_; }

 private:
  explicit GoTemplate(std::shared_ptr<const gotmpl::Program> program)
      : program_(std::move(program)) {}
  std::shared_ptr<const gotmpl::Program> program_;
};

/// `document` with each of its strings and each key of its objects rendered as a template, one by
/// one: a block or a variable does not reach beyond its string. Errors: as parse and render, with
/// the field's path in front ("nested[0].size: at byte 3: ..."); Invalid: two keys that become
/// equal, nesting above 100.
Result<codec::Value> render_document(const codec::Value& document, const codec::Value& root,
                                     const GoTemplate::Limits& limits = {},
                                     GoTemplate::Spelling spelling = GoTemplate::Spelling::Json);

/// A templated string of a document, or what is wrong with it.
struct GoField {
  std::string path;  ///< e.g. "nested[0].size"; of a key: that of its object; "" is the document
  Result<GoTemplate> content;  ///< as GoTemplate::parse
};

/// All strings and keys of `document` that are no plain text, in document order, for checks before
/// any value is known. One entry with an error for nesting above 100.
std::vector<GoField> go_templates_of(const codec::Value& document);

}  // namespace millrace::expression
