/// The CustomResourceDefinitions of our kinds and their reference pages, made of the descriptions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crds/print_column.h"
#include "kubeclient/api/meta.h"
#include "kubeclient/codec/type_info.h"

namespace millrace::crds {

/// All that is known of one of our kinds.
struct KindInfo {
  api::ApiResource resource;
  std::string_view short_name;
  std::vector<PrintColumn> columns;
  codec::TypeInfo type;
  codec::Value schema;    ///< openAPIV3Schema, with apiVersion, kind and metadata
  std::string_view doc;   ///< what it is, for the schema and the reference page
  std::string_view page;  ///< file name of the reference page
};

/// Our kinds, in the order they are printed. Built at the first call.
const std::vector<KindInfo>& kinds();
/// The kind of that name, e.g. "Pipeline", or null.
const KindInfo* find_kind(std::string_view kind);

/// The CustomResourceDefinition of a kind.
codec::Value custom_resource(const KindInfo& kind);
/// The same as a YAML document, with a first line that says where it comes from.
std::string crd_yaml(const KindInfo& kind);
/// All of them, as `millrace crds` prints them.
std::string crd_yaml();

/// The reference page of a kind, in Markdown.
std::string reference_page(const KindInfo& kind);

/// A file that is generated: its path from the repository root, and what stands in it.
struct GeneratedFile {
  std::string path;
  std::string content;
};
/// Every generated file of the repository; `scripts/generate` writes them.
std::vector<GeneratedFile> generated_files();

}  // namespace millrace::crds
