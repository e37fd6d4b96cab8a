#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/scope.h"
#include "base/uuid.h"
#include "components/secretstores/registry.h"

namespace outrigger::components::secretstores {
namespace {

class LocalSecrets : public testing::Test {
 protected:
  ~LocalSecrets() override { std::filesystem::remove(path_); }

  std::unique_ptr<SecretStore> make(std::string_view type, Properties properties) {
    ComponentContext context{.loop = loop_, .app_id = "app"};
    const Metadata metadata{.name = "secrets", .properties = std::move(properties)};
    auto store = find_kind(kinds(), type, "v1")->make(metadata, context);
    return store ? std::move(*store) : nullptr;
  }
  Result<> open(std::string_view type, Properties properties) {
    store_ = make(type, std::move(properties));
    if (store_ == nullptr) return fail(Code::invalid_argument, "not made");
    return run_on(loop_, store_->init());
  }
  Result<> open_file(std::string_view text, Properties properties = {}) {
    std::ofstream(path_) << text;
    properties.emplace("secretsFile", path_.string());
    return open("secretstores.local.file", std::move(properties));
  }
  Result<Secret> get(std::string name) {
    return run_on(loop_, store_->get({.name = std::move(name)}));
  }
  std::map<std::string, Secret, std::less<>> all() {
    return run_on(loop_, store_->bulk_get({})).value();
  }

  Loop loop_;
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("outrigger-secrets-" + uuid_v4());
  std::unique_ptr<SecretStore> store_;
};

TEST_F(LocalSecrets, AFileIsFlattenedWithColonsUnlessToldOtherwise) {
  constexpr auto text = R"({"a":"1","b":{"c":"2","d":["x",{"e":"y"}]}})";
  ASSERT_TRUE(open_file(text));
  EXPECT_EQ(get("a").value(), (Secret{{"a", "1"}}));
  EXPECT_EQ(get("b:c").value(), (Secret{{"b:c", "2"}}));
  EXPECT_EQ(get("b:d:1:e").value(), (Secret{{"b:d:1:e", "y"}}));
  EXPECT_EQ(all().size(), 4u);
  EXPECT_TRUE(features(*store_).empty());
  ASSERT_TRUE(open_file(text, {{"nestedSeparator", "."}}));
  EXPECT_EQ(get("b.d.0").value(), (Secret{{"b.d.0", "x"}}));
  ASSERT_TRUE(open_file(text, {{"nestedSeparator", ""}}));
  EXPECT_TRUE(get("b:c"));
}

TEST_F(LocalSecrets, AFileOfSeveralValuesKeepsThemTogether) {
  constexpr auto text = R"({"a":"1","b":{"c":"2","d":{"e":"3"}},"dropped":[1]})";
  ASSERT_TRUE(open_file(text, {{"multiValued", "true"}}));
  EXPECT_EQ(get("a").value(), (Secret{{"a", "1"}}));
  EXPECT_EQ(get("b").value(), (Secret{{"c", "2"}, {"d:e", "3"}}));
  EXPECT_FALSE(get("dropped"));
  EXPECT_EQ(features(*store_), (std::vector<std::string>{"MULTIPLE_KEY_VALUES_PER_SECRET"}));
}

TEST_F(LocalSecrets, OtherValuesThanTextsLookAsUpstreamPrintsThem) {
  ASSERT_TRUE(open_file(R"({"n":12,"f":0.5,"big":1234567,"t":true,"z":null,"tiny":0.00001})"));
  EXPECT_EQ(get("n")->at("n"), "%!s(float64=12)");
  EXPECT_EQ(get("f")->at("f"), "%!s(float64=0.5)");
  EXPECT_EQ(get("big")->at("big"), "%!s(float64=1.234567e+06)");
  EXPECT_EQ(get("tiny")->at("tiny"), "%!s(float64=1e-05)");
  EXPECT_EQ(get("t")->at("t"), "%!s(bool=true)");
  EXPECT_EQ(get("z")->at("z"), "%!s(<nil>)");
}

TEST_F(LocalSecrets, ASecretThatIsNotInTheFileIsAnError) {
  ASSERT_TRUE(open_file("{}"));
  auto missing = get("nope");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "secret nope not found");
  EXPECT_TRUE(all().empty());
}

TEST_F(LocalSecrets, BadFilesAreRefused) {
  const std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string("[]"), std::string("{"), std::string(),
        "{\"a\":" + deep + std::string(100'000, ']') + "}",
        "{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}"}) {
    EXPECT_FALSE(open_file(text)) << text.substr(0, 20);
  }
  EXPECT_FALSE(open("secretstores.local.file", {{"secretsFile", "/nonexistent/file"}}));
  EXPECT_FALSE(open("secretstores.local.file", {}));
}

TEST_F(LocalSecrets, VariablesAreSecretsWithTheirOwnNameAsKey) {
  setenv("OUT_LOCAL_TEST_A", "1", 1);
  ASSERT_TRUE(open("secretstores.local.env", {}));
  EXPECT_EQ(get("OUT_LOCAL_TEST_A").value(), (Secret{{"OUT_LOCAL_TEST_A", "1"}}));
  EXPECT_EQ(get("OUT_LOCAL_TEST_NONE").value(), (Secret{{"OUT_LOCAL_TEST_NONE", ""}}));
  EXPECT_EQ(all().at("OUT_LOCAL_TEST_A"), (Secret{{"OUT_LOCAL_TEST_A", "1"}}));
}

TEST_F(LocalSecrets, APrefixIsPutBeforeVariablesAndTakenOffInBulk) {
  setenv("OUT_LOCAL_TEST_A", "1", 1);
  setenv("OUT_LOCAL_TEST_", "empty name", 1);
  ASSERT_TRUE(open("secretstores.local.env", {{"Prefix", "OUT_LOCAL_TEST_"}}));
  EXPECT_EQ(get("A").value(), (Secret{{"A", "1"}}));
  const auto secrets = all();
  EXPECT_EQ(secrets.at("A"), (Secret{{"A", "1"}}));
  EXPECT_FALSE(secrets.contains(""));
  EXPECT_FALSE(secrets.contains("PATH"));
}

TEST_F(LocalSecrets, TheProgramsOwnVariablesStayHidden) {
  setenv("APP_API_TOKEN", "hidden", 1);
  setenv("DAPR_API_TOKEN", "hidden", 1);
  ASSERT_TRUE(open("secretstores.local.env", {}));
  for (const auto* name : {"APP_API_TOKEN", "DAPR_API_TOKEN"}) {
    EXPECT_EQ(get(name)->at(name), "");
    EXPECT_FALSE(all().contains(name));
  }
  ASSERT_TRUE(open("secretstores.local.env", {{"prefix", "DAPR_"}}));
  EXPECT_EQ(get("API_TOKEN")->at("API_TOKEN"), "");
}

}  // namespace
}  // namespace outrigger::components::secretstores
