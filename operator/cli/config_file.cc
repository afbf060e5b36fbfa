#include "operator/cli/config_file.h"

#include <algorithm>
#include <vector>

#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/schema.h"
#include "kubeclient/codec/schema_check.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/place.h"

namespace millrace::cli {
namespace {

/// Image names are passed on to the container runtime; this refuses what can never be one.
void check_image(std::string_view path, const std::string& image,
                 std::vector<codec::FieldError>& errors) {
  const auto forbidden = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f;
  };
  if (std::any_of(image.begin(), image.end(), forbidden)) {
    errors.push_back({std::string(path), "\"" + image +
                                             "\" is not an image name: it may hold no blanks and "
                                             "no control characters"});
  } else if (image.find("://") != std::string::npos) {
    errors.push_back({std::string(path), "\"" + image +
                                             "\" is not an image name: write it without the "
                                             "scheme, as in registry.example.org/name:tag"});
  }
}

std::vector<codec::FieldError> check_images(const logic::AdapterImages& images) {
  std::vector<codec::FieldError> errors;
  struct Visitor {
    std::vector<codec::FieldError>* errors;
    void field(std::string_view name, const std::string& image, const codec::FieldOptions&) {
      check_image("adapterImages." + std::string(name), image, *errors);
    }
  } visitor{&errors};
  logic::AdapterImages::describe(visitor, images);
  return errors;
}

}  // namespace

Result<logic::Config> parse_config(std::string_view text, const std::string& file) {
  MR_ASSIGN(const auto documents, codec::parse_yaml_documents(text, file));
  if (documents.empty()) return logic::Config{};
  if (documents.size() > 1) {
    return fail(Code::Invalid, place(file, documents[1].start) +
                                   "a configuration file holds one document; remove this one");
  }
  const codec::YamlDocument& document = documents.front();
  if (document.value.is_null()) return logic::Config{};
  // The schema knows which field was meant; the reader, strict as well, has the last word.
  logic::Config config;
  std::vector<codec::FieldError> errors =
      codec::check_schema(codec::schema_of<logic::Config>(), document.value, {});
  if (errors.empty()) {
    codec::JsonReader reader(codec::JsonReader::Mode::Strict);
    errors = reader.read(document.value.dump(), config);
  }
  if (errors.empty()) errors = check_images(config.adapter_images);
  if (errors.empty()) return config;
  std::string message;
  for (const codec::FieldError& error : errors) {
    if (!message.empty()) message += '\n';
    message += place(file, document.position_of(error.path)) + to_string(error);
  }
  return fail(Code::Invalid, std::move(message));
}

}  // namespace millrace::cli
