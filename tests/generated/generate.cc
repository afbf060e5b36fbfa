/// Writes every generated file: `mr_generate <repository root>`; see scripts/generate.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "crds/custom_resource.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: mr_generate REPOSITORY\n";
    return 2;
  }
  const std::filesystem::path root = argv[1];
  for (const auto& file : millrace::crds::generated_files()) {
    std::filesystem::create_directories((root / file.path).parent_path());
    std::ofstream out(root / file.path, std::ios::binary | std::ios::trunc);
    out << file.content;
    out.close();
    if (!out) {
      std::cerr << "cannot write " << file.path << '\n';
      return 1;
    }
    std::cout << file.path << ": " << file.content.size() << " bytes\n";
  }
  return 0;
}
