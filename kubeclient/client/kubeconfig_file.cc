#include "kubeclient/client/kubeconfig_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kubeclient/client/pem.h"

namespace millrace::client {
namespace {

constexpr std::string_view kDocumentation =
    "a kubeconfig is what `kubectl config view --raw` prints";

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return fail(Code::Invalid, path + ": is a folder, not a file");
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int why = errno;
    if (why == ENOENT || why == ENOTDIR) return fail(Code::NotFound, path + ": no such file");
    return fail(Code::Invalid, path + ": cannot be read: " + std::strerror(why) +
                                   "; give this user read permission");
  }
  std::ostringstream out;
  out << in.rdbuf();
  if (in.bad()) return fail(Code::Invalid, path + ": cannot be read to its end");
  return std::move(out).str();
}

// ---- Section

const codec::Value* Section::find(std::string_view field) const {
  if (!present()) return nullptr;
  const codec::Value* value = value_->find(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Section::has(std::string_view field) const { return find(field) != nullptr; }

std::string Section::path_of(std::string_view field) const {
  if (field.empty()) return path_;
  return path_.empty() ? std::string(field) : path_ + "." + std::string(field);
}

tl::unexpected<Error> Section::invalid(std::string_view field, const std::string& message) const {
  const std::string path = path_of(field);
  const int line = file_->document.line_of(path);
  return fail(Code::Invalid, file_->path + (line > 0 ? ":" + std::to_string(line) : "") + ": " +
                                 (path.empty() ? "" : path + ": ") + message);
}

Result<std::string> Section::text(std::string_view field) const {
  const codec::Value* value = find(field);
  if (value == nullptr) return std::string();
  if (value->is_string()) return value->as_string();
  return invalid(field,
                 "must be a string, is " + std::string(value->kind_name()) + "; put it in quotes");
}

Result<bool> Section::flag(std::string_view field) const {
  const codec::Value* value = find(field);
  if (value == nullptr) return false;
  if (value->is_bool()) return value->as_bool();
  return invalid(field, "must be true or false, is " + std::string(value->kind_name()));
}

Result<std::vector<std::string>> Section::texts(std::string_view field) const {
  std::vector<std::string> out;
  const codec::Value* value = find(field);
  if (value == nullptr) return out;
  if (!value->is_array()) {
    return invalid(field, "must be a list, is " + std::string(value->kind_name()));
  }
  const codec::Value& list = *value;
  for (const codec::Value& item : list.items()) {
    if (!item.is_string()) {
      return invalid(
          std::string(field) + "[" + std::to_string(out.size()) + "]",
          "must be a string, is " + std::string(item.kind_name()) + "; put it in quotes");
    }
    out.push_back(item.as_string());
  }
  return out;
}

Result<Section> Section::section(std::string_view field) const {
  const codec::Value* value = find(field);
  if (value == nullptr) return Section(file_, nullptr, path_of(field));
  if (!value->is_object()) {
    return invalid(field, "must be a map, is " + std::string(value->kind_name()));
  }
  return Section(file_, value, path_of(field));
}

Result<std::vector<Section>> Section::sections(std::string_view field) const {
  std::vector<Section> out;
  const codec::Value* value = find(field);
  if (value == nullptr) return out;
  if (!value->is_array()) {
    return invalid(field, "must be a list, is " + std::string(value->kind_name()));
  }
  const codec::Value& list = *value;
  for (const codec::Value& item : list.items()) {
    const std::string path = path_of(field) + "[" + std::to_string(out.size()) + "]";
    out.emplace_back(file_, &item, path);
    if (!item.is_object()) {
      return out.back().invalid("", "must be a map, is " + std::string(item.kind_name()));
    }
  }
  return out;
}

std::string Section::resolve(const std::string& path) const {
  const std::filesystem::path file(file_->path);
  return (file.parent_path() / path).lexically_normal().string();
}

Result<std::string> Section::content(std::string_view field, std::string_view data_field) const {
  MR_ASSIGN(const std::string data, text(data_field));
  if (!data.empty()) {
    auto decoded = decode_base64(data);
    if (!decoded) {
      return invalid(data_field, "is not base64; encode the file with `base64 -w0 FILE`");
    }
    return *std::move(decoded);
  }
  MR_ASSIGN(const std::string path, text(field));
  if (path.empty()) return std::string();
  auto content = read_text_file(resolve(path));
  if (!content.ok()) return invalid(field, content.error().message);
  return content;
}

// ---- KubeconfigSet

Result<KubeconfigSet> KubeconfigSet::read(const std::vector<std::string>& paths) {
  KubeconfigSet set;
  std::string missing;
  for (const std::string& path : paths) {
    auto text = read_text_file(path);
    if (!text.ok() && text.error().code == Code::NotFound) {
      missing += (missing.empty() ? "" : ", ") + path;
      continue;
    }
    if (!text.ok()) return fail(Code::Invalid, "kubeconfig " + text.error().message);
    MR_ASSIGN(auto documents, codec::parse_yaml_documents(*text, path));
    if (documents.empty()) documents.emplace_back();
    if (documents.size() > 1) {
      return fail(Code::Invalid, path + ": holds " + std::to_string(documents.size()) +
                                     " YAML documents; a kubeconfig is one");
    }
    set.files_.push_back({path, std::move(documents.front())});
    const KubeconfigFile& file = set.files_.back();
    const Section root(&file, &file.document.value, "");
    if (!file.document.value.is_object() && !file.document.value.is_null()) {
      return root.invalid("", "must be a map, is " + std::string(file.document.value.kind_name()) +
                                  "; " + std::string(kDocumentation));
    }
    MR_ASSIGN(const std::string kind, root.text("kind"));
    if (!kind.empty() && kind != "Config") {
      return root.invalid("kind",
                          "is \"" + kind + "\", not \"Config\"; " + std::string(kDocumentation));
    }
  }
  if (set.files_.empty()) {
    return fail(Code::NotFound, "no kubeconfig: " + (missing.empty() ? "no file" : missing) +
                                    (missing.empty() ? " is named" : " does not exist") +
                                    "; give --kubeconfig FILE or set KUBECONFIG");
  }
  return set;
}

Result<std::string> KubeconfigSet::current_context() const {
  for (const KubeconfigFile& file : files_) {
    MR_ASSIGN(std::string name, Section(&file, &file.document.value, "").text("current-context"));
    if (!name.empty()) return name;
  }
  return fail(Code::Invalid, names() +
                                 ": current-context: not set; choose one with --context, or with "
                                 "`kubectl config use-context NAME`");
}

Result<Section> KubeconfigSet::entry(std::string_view list, std::string_view member,
                                     const std::string& name, const std::string& wanted_by) const {
  std::string known;
  for (const KubeconfigFile& file : files_) {
    MR_ASSIGN(const auto entries, Section(&file, &file.document.value, "").sections(list));
    for (const Section& entry : entries) {
      MR_ASSIGN(const std::string entry_name, entry.text("name"));
      if (entry_name == name) return entry.section(member);
      known += (known.empty() ? "" : ", ") + entry_name;
    }
  }
  return fail(Code::Invalid, names() + ": " + std::string(list) + ": no entry named \"" + name +
                                 "\" (" + wanted_by + "); there is " +
                                 (known.empty() ? "none" : known));
}

std::string KubeconfigSet::names() const {
  std::string out;
  for (const KubeconfigFile& file : files_) out += (out.empty() ? "" : ":") + file.path;
  return out;
}

}  // namespace millrace::client
