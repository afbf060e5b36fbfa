/// Evaluating templates: alone, as a condition, or all strings of a document. Total: every template
/// and scope give a value or an error, in bounded time and memory. No value is evaluated again:
/// text that comes from a path may hold `{{ }}` and stays as it is.
///
/// Error messages name paths, functions and types, never values, since those may be secrets.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "controllers/expression/scope.h"
#include "controllers/expression/template.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

/// Bounds of one evaluation; for `render` of the whole document.
struct Limits {
  /// Units of work: one for each operation, each 64 bytes and each item looked at.
  std::size_t work = 1'000'000;
  /// Any one value [bytes], counted in memory: text as long as it is, 40 for each item.
  std::size_t value_bytes = std::size_t{1} << 20;
  /// All values made on the way together [bytes]; also bounds the memory.
  std::size_t total_bytes = std::size_t{16} << 20;
};

/// The value of `what`: of any type if `what.is_expression()`, else text. In text, null is an error
/// and lists and objects are written as JSON.
/// Errors: NotFound: a path is missing ("steps.fetch.outputs.rows: step fetch has no output rows");
/// Invalid: wrong types, a conversion that is not possible, a limit; others as the scope gave them.
Result<codec::Value> evaluate(const Template& what, const Scope& scope, const Limits& limits = {});

/// As `evaluate`, for `when` and the like: must be boolean; the literal texts `true` and `false`
/// are, and white space around the one expression does not matter. Errors: as `evaluate`; Invalid
/// with the cure when it is something else.
Result<bool> evaluate_condition(const Template& what, const Scope& scope,
                                const Limits& limits = {});

enum class Keys {
  Keep,    ///< the keys of objects stay as they are
  Render,  ///< they are templates too; two that become equal are an error
};

/// `document` with each of its strings replaced by its value.
/// Errors: as Template::parse and `evaluate`, with the field's path in front
/// ("args[2]: steps.a.outputs.x: ..."). Nesting above 100 is Invalid.
Result<codec::Value> render(const codec::Value& document, const Scope& scope,
                            Keys keys = Keys::Keep, const Limits& limits = {});

/// One templated string of a document, or what is wrong with it.
struct FieldTemplate {
  std::string path;          ///< e.g. "args[2]"; of a key: that of its object; "" is the document
  Result<Template> content;  ///< as Template::parse
};

/// All strings of `document` that are no plain text, in document order, for checks before any value
/// is known.
std::vector<FieldTemplate> templates_of(const codec::Value& document, Keys keys = Keys::Keep);

}  // namespace millrace::expression
