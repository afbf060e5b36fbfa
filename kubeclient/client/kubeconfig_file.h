/// Kubeconfig files as documents: reading, merging, and fields with their places for messages.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::client {

/// One file that was found.
struct KubeconfigFile {
  std::string path;
  codec::YamlDocument document;
};

/// A whole file as text. Errors: NotFound, Invalid (cannot be read), with path and reason.
Result<std::string> read_text_file(const std::string& path);

/// An object inside a kubeconfig; copies are cheap. Without a value it stands for an absent one,
/// all of whose fields are empty.
class Section {
 public:
  Section() = default;
  Section(const KubeconfigFile* file, const codec::Value* value, std::string path)
      : file_(file), value_(value), path_(std::move(path)) {}

  bool present() const { return value_ != nullptr && !value_->is_null(); }
  bool has(std::string_view field) const;
  const std::string& file() const { return file_->path; }

  /// The fields; absent and null ones are empty. Errors: Invalid with file, line and field.
  Result<std::string> text(std::string_view field) const;
  Result<bool> flag(std::string_view field) const;
  Result<std::vector<std::string>> texts(std::string_view field) const;
  Result<Section> section(std::string_view field) const;
  Result<std::vector<Section>> sections(std::string_view field) const;

  /// The content that `field` holds as base64 in `data_field`, or in the file it names, seen from
  /// the kubeconfig's folder; empty when neither is set. The data wins, as in client-go.
  Result<std::string> content(std::string_view field, std::string_view data_field) const;
  /// `path` seen from the kubeconfig's folder.
  std::string resolve(const std::string& path) const;
  /// An error that names file, line and field ("" is the section itself).
  tl::unexpected<Error> invalid(std::string_view field, const std::string& message) const;

 private:
  const codec::Value* find(std::string_view field) const;
  std::string path_of(std::string_view field) const;

  const KubeconfigFile* file_ = nullptr;
  const codec::Value* value_ = nullptr;
  std::string path_;
};

/// Several files seen as one: the first that has a name wins.
class KubeconfigSet {
 public:
  /// Errors: NotFound (none of them exists), Invalid.
  static Result<KubeconfigSet> read(const std::vector<std::string>& paths);

  Result<std::string> current_context() const;
  /// The entry `name` of "contexts", "clusters" or "users", i.e. its member "context", "cluster" or
  /// "user". Errors: Invalid, listing the names there are.
  Result<Section> entry(std::string_view list, std::string_view member, const std::string& name,
                        const std::string& wanted_by) const;
  /// The files, for messages.
  std::string names() const;

 private:
  std::deque<KubeconfigFile> files_;
};

}  // namespace millrace::client
