#include "operator/cli/config_file.h"

#include <gtest/gtest.h>

#include "operator/cli/cli.h"

namespace millrace::cli {
namespace {

TEST(ParseConfig, AcceptsTheSamples) {
  const auto text = read_file("config/millrace.yaml");  // tests run in the root of the repository
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto config = parse_config(*text, "config/millrace.yaml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_TRUE(*config == logic::Config{}) << "the sample says that it holds the defaults";

  const auto demo_text = read_file("config/demo.yaml");
  ASSERT_TRUE(demo_text.ok()) << demo_text.error().message;
  const auto demo = parse_config(*demo_text, "config/demo.yaml");
  ASSERT_TRUE(demo.ok()) << demo.error().message;
  struct NoneEmpty {
    void field(std::string_view name, const std::string& image, const codec::FieldOptions&) {
      EXPECT_NE(image, "") << name;
    }
  } visitor;
  logic::AdapterImages::describe(visitor, demo->adapter_images);
}

TEST(ParseConfig, AcceptsTheCommentedImagesOfTheSample) {
  std::string text = read_file("config/millrace.yaml").value();
  text.replace(text.find("adapterImages: {}"), 17, "adapterImages:");
  for (const char* const kind : {"input", "output"}) {
    const std::string comment = std::string("\n#  ") + kind;
    for (std::size_t at = 0; (at = text.find(comment, at)) != std::string::npos; ++at) {
      text.erase(at + 1, 1);
    }
  }
  const auto config = parse_config(text, "sample");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->adapter_images.output_email, "registry.example.org/adapters/smtp:1.0");
  EXPECT_EQ(config->adapter_images.input_elastic_search,
            "registry.example.org/adapters/elasticsearch:1.4");
}

TEST(ParseConfig, ReadsEveryField) {
  const auto config = parse_config(
      "adapterImages: {inputElasticSearch: a, inputApiServer: b, outputApi: c, outputFtp: d,\n"
      "  outputAs2: e, outputKafka: f, outputEmail: g}\njobController: kubernetes\n"
      "imageCommands: {reg/a:1: [python3, x.py]}\n",
      "f");
  ASSERT_TRUE(config.ok()) << config.error().message;
  const logic::AdapterImages want{"a", "b", "c", "d", "e", "f", "g"};
  EXPECT_TRUE(config->adapter_images == want);
  EXPECT_EQ(config->job_controller, logic::JobController::Kubernetes);
  ASSERT_EQ(config->image_commands.size(), 1U);
  EXPECT_EQ(config->image_commands.at("reg/a:1"), (std::vector<std::string>{"python3", "x.py"}));
}

TEST(ParseConfig, NothingMeansTheDefaults) {
  for (const char* text : {"", "# only a comment\n", "---\n", "{}", "adapterImages:\n"}) {
    const auto config = parse_config(text, "f");
    ASSERT_TRUE(config.ok()) << text << config.error().message;
    EXPECT_TRUE(*config == logic::Config{}) << text;
  }
}

TEST(ParseConfig, EveryMistakeNamesFileLineFieldAndCure) {
  const struct {
    const char* name;
    std::string text;
    std::vector<const char*> contains;
  } cases[] = {
      {"unknown field", "\njobcontroller: millrace\n", {"f.yaml:2:1: jobcontroller: ", "unknown"}},
      {"unknown image kind",
       "adapterImages:\n  outputSms: x\n",
       {"f.yaml:2:3: adapterImages.outputSms: ", "unknown"}},
      {"wrong word",
       "jobController: both\n",
       {"f.yaml:1:1: jobController: ", "\"both\"", "millrace", "kubernetes"}},
      {"wrong type of an image",
       "adapterImages:\n  outputApi: {name: x}\n",
       {"f.yaml:2:3: adapterImages.outputApi: ", "string"}},
      {"number for an image",
       "adapterImages: {outputFtp: 3}",
       {"adapterImages.outputFtp", "string"}},
      {"list for images", "adapterImages: [a]", {"adapterImages: ", "must be a map of fields"}},
      {"two mistakes, two lines", "a: 1\nb: 2\n", {"f.yaml:1:1: a: ", "\nf.yaml:2:1: b: "}},
      {"repeated field",
       "jobController: millrace\njobController: millrace\n",
       {"f.yaml:2:1: ", "jobController"}},
      {"not YAML", "adapterImages: {outputApi: x\n", {"f.yaml:"}},
      {"a list", "- a\n", {"f.yaml:1:1: ", "must be a map of fields"}},
      {"a word", "hello\n", {"f.yaml:1:1: ", "must be a map of fields"}},
      {"two documents",
       "jobController: millrace\n---\njobController: kubernetes\n",
       {"f.yaml:2:1: ", "one document"}},
      {"blank in an image", "adapterImages: {outputApi: 'a b'}", {"no blanks"}},
      {"address for an image",
       "adapterImages: {outputApi: 'https://r/x:1'}",
       {"adapterImages.outputApi: ", "without the scheme"}},
      {"not UTF-8", "adapterImages: {outputApi: \"\xff\"}", {"f.yaml:", "UTF-8"}},
      {"nested without end", std::string(100'000, '['), {"f.yaml:"}},
  };
  for (const auto& c : cases) {
    const auto config = parse_config(c.text, "f.yaml");
    ASSERT_FALSE(config.ok()) << c.name;
    EXPECT_EQ(config.error().code, Code::Invalid) << c.name;
    for (const char* part : c.contains) {
      EXPECT_NE(config.error().message.find(part), std::string::npos)
          << c.name << ": " << config.error().message << " lacks " << part;
    }
  }
}

}  // namespace
}  // namespace millrace::cli
