#include "local/schema/problems.h"

#include <utility>

namespace millrace::schema {
namespace {

using codec::Value;

std::string with_detail(std::string text, std::string_view detail) {
  if (!detail.empty()) text += ": " + std::string(detail);
  return text;
}

}  // namespace

void Problems::add(const Path& path, std::string_view reason, std::string message) {
  // A complaint about the object as a whole has no path, which Go prints like this.
  list_.push_back(
      {path.text().empty() ? "<nil>" : path.text(), std::string(reason), std::move(message)});
}

void Problems::required(const Path& path, std::string_view detail) {
  add(path, "FieldValueRequired", with_detail("Required value", detail));
}

void Problems::invalid(const Path& path, const Value& value, std::string_view detail) {
  add(path, "FieldValueInvalid", with_detail("Invalid value: " + value.dump(), detail));
}

void Problems::type_invalid(const Path& path, const Value& value, std::string_view detail) {
  add(path, "FieldValueTypeInvalid", with_detail("Invalid value: " + value.dump(), detail));
}

void Problems::unsupported(const Path& path, const Value& value,
                           const std::vector<std::string>& choices) {
  std::string text = "Unsupported value: " + value.dump() + ": supported values: ";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) text += ", ";
    text += Value(choices[i]).dump();
  }
  add(path, "FieldValueNotSupported", std::move(text));
}

void Problems::duplicate(const Path& path, const Value& value) {
  add(path, "FieldValueDuplicate", "Duplicate value: " + value.dump());
}

void Problems::forbidden(const Path& path, std::string_view detail) {
  add(path, "FieldValueForbidden", with_detail("Forbidden", detail));
}

void Problems::not_found(const Path& path, const Value& value, std::string_view rest) {
  add(path, "FieldValueNotFound", "Not found: " + value.dump() + std::string(rest));
}

void Problems::too_long(const Path& path, std::size_t limit) {
  add(path, "FieldValueTooLong",
      "Too long: may not be more than " + std::to_string(limit) + " bytes");
}

void Problems::too_many(const Path& path, std::size_t count, std::size_t limit) {
  add(path, "FieldValueTooMany",
      "Too many: " + std::to_string(count) + ": must have at most " + std::to_string(limit) +
          " items");
}

}  // namespace millrace::schema
