/// Complaints of validation, in the API server's words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/fit.h"

namespace millrace::schema {

/// A place in an object, as paths of complaints say it: `spec.containers[0].image`.
class Path {
 public:
  Path() = default;
  explicit Path(std::string text) : text_(std::move(text)) {}
  Path operator/(std::string_view name) const {
    return Path(text_.empty() ? std::string(name) : text_ + "." + std::string(name));
  }
  Path operator[](std::size_t index) const {
    return Path(text_ + "[" + std::to_string(index) + "]");
  }
  /// A member of a map, `data[key]`.
  Path key(std::string_view name) const { return Path(text_ + "[" + std::string(name) + "]"); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Collects complaints. Source of the words: Kubernetes, apimachinery/pkg/util/validation/field.
class Problems {
 public:
  void required(const Path& path, std::string_view detail = {});
  /// `value` as it is shown: strings in quotes, others as JSON.
  void invalid(const Path& path, const codec::Value& value, std::string_view detail);
  void type_invalid(const Path& path, const codec::Value& value, std::string_view detail);
  void unsupported(const Path& path, const codec::Value& value,
                   const std::vector<std::string>& choices);
  void duplicate(const Path& path, const codec::Value& value);
  void forbidden(const Path& path, std::string_view detail);
  void not_found(const Path& path, const codec::Value& value, std::string_view rest = {});
  void too_long(const Path& path, std::size_t limit);
  void too_many(const Path& path, std::size_t count, std::size_t limit);

  const std::vector<Problem>& list() const { return list_; }
  std::vector<Problem> take() { return std::move(list_); }
  bool empty() const { return list_.empty(); }

 private:
  void add(const Path& path, std::string_view reason, std::string message);
  std::vector<Problem> list_;
};

}  // namespace millrace::schema
