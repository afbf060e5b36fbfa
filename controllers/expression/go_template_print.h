/// Values as text, for conveyor-belt templates. Internal to the files named go_template_*, but for
/// the escapes, which the old spelling of canonical templates uses too.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "controllers/expression/go_template_eval.h"

namespace millrace::expression::gotmpl {

/// Append `item` as it stands in text; nothing when it is missing.
void append_value(std::string& out, Item item, GoTemplate::Spelling spelling);
/// All of `args`; with a space between two of which neither is text, or between all. Stops when it
/// gets longer than `machine` has room for.
enum class Spaces { NotAtText, All };
std::string print_values(const Machine& machine, std::span<const Item> args, Spaces spaces);
/// As `print_values`, by the format `args[0]`. Errors show in `machine`.
std::string print_formatted(Machine& machine, std::span<const Item> args, std::size_t offset);

void append_html(std::string& out, std::string_view text);
void append_js(std::string& out, std::string_view text);
void append_query(std::string& out, std::string_view text);

}  // namespace millrace::expression::gotmpl
