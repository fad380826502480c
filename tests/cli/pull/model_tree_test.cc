#include "cli/pull/model_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace eidetic::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kServer[] = "https://models.example.org";

TEST(ModelSourceTest, NamesAndUrls) {
  const auto named = ParseModelSource("Owner/clip-vit_b.32", "main", kServer);
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->name(), "clip-vit_b.32");
  EXPECT_EQ(named->TreeUrl(),
            absl::StrCat(kServer, "/api/models/Owner/clip-vit_b.32/tree/main?recursive=true"));
  EXPECT_EQ(named->FileUrl("onnx/a b#?.onnx"),
            absl::StrCat(kServer, "/Owner/clip-vit_b.32/resolve/main/onnx/a%20b%23%3f.onnx"));
  const auto url = ParseModelSource("https://other.example.org/a/b/tree/v2", "main", kServer);
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->FileUrl("x"), "https://other.example.org/a/b/resolve/v2/x");
}

TEST(ModelSourceTest, OtherThings) {
  for (const char* model : {"", "clip", "a/b/c", "../b", "a/..", "a b/c", "https://x.example.org", "a/b?x=1",
                            "https://x.example.org/a/b/blob/main"}) {
    const absl::Status status = ParseModelSource(model, "main", kServer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << model;
    EXPECT_THAT(std::string(status.message()), HasSubstr("OWNER/NAME")) << model;
  }
  EXPECT_FALSE(ParseModelSource("a/b", "../x", kServer).ok());
}

TEST(ModelTreeTest, RefusesHostileListings) {
  const std::string hash(40, 'a');
  const auto entry = [&hash](const std::string& path) {
    return absl::StrCat(R"([{"type":"file","path":")", path, R"(","size":5,"oid":")", hash, R"("}])");
  };
  EXPECT_TRUE(ParseModelTree(entry("onnx/model.onnx")).ok());
  for (const char* path :
       {"../x", "a/../../x", "/etc/passwd", "a//b", "", "a\\\\..\\\\b", "a\\u0000b", "./a"}) {
    EXPECT_EQ(ParseModelTree(entry(path)).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
  for (const char* json :
       {"", "{}", "[5]", R"([{"type":"file"}])", R"([{"type":"file","path":"a","size":-1,"oid":""}])",
        R"([{"type":"file","path":"a","size":1}])", R"([{"type":"file","path":"a","size":1,"oid":"zz"}])"}) {
    EXPECT_EQ(ParseModelTree(json).status().code(), absl::StatusCode::kInvalidArgument) << json;
  }
}

std::vector<RemoteFile> Files(const std::vector<std::string>& paths) {
  std::vector<RemoteFile> files;
  for (const std::string& path : paths) files.push_back({.path = path, .size = 100});
  return files;
}

std::vector<std::string> ChosenPaths(const std::vector<std::string>& paths, const char* variant) {
  const auto chosen = ChooseFiles(Files(paths), "a/b", variant, uint64_t{1} << 40);
  EXPECT_TRUE(chosen.ok()) << chosen.status();
  std::vector<std::string> result;
  if (chosen.ok()) {
    for (const RemoteFile& file : chosen->files) result.push_back(file.path);
  }
  return result;
}

TEST(ChooseFilesTest, OneVariantWithItsExternalData) {
  const std::vector<std::string> all = {"config.json",
                                        "model.safetensors",
                                        "onnx/model.onnx",
                                        "onnx/text_model.onnx",
                                        "onnx/text_model.onnx_data",
                                        "onnx/text_model_fp16.onnx",
                                        "onnx/vision_model.onnx",
                                        "onnx/vision_model_fp16.onnx",
                                        "preprocessor_config.json",
                                        "tokenizer.json",
                                        "vocab.json"};
  EXPECT_THAT(ChosenPaths(all, ""),
              ElementsAre("config.json", "onnx/text_model.onnx", "onnx/text_model.onnx_data",
                          "onnx/vision_model.onnx", "preprocessor_config.json", "tokenizer.json"));
  EXPECT_THAT(ChosenPaths(all, "fp16"),
              ElementsAre("config.json", "onnx/text_model_fp16.onnx", "onnx/vision_model_fp16.onnx",
                          "preprocessor_config.json", "tokenizer.json"));
}

TEST(ChooseFilesTest, ImmichKeepsWeightsBesideItsGraphs) {
  EXPECT_THAT(ChosenPaths({"README.md", "config.json", "textual/model.onnx", "textual/onnx__MatMul_1",
                           "textual/tokenizer.json", "textual/tokenizer_config.json", "textual/vocab.json",
                           "visual/fp16/model.armnn", "visual/model.onnx", "visual/preprocess_cfg.json",
                           "visual/rknpu/rk3588/model.rknn"},
                          ""),
              ElementsAre("README.md", "config.json", "textual/model.onnx", "textual/onnx__MatMul_1",
                          "textual/tokenizer.json", "textual/tokenizer_config.json", "visual/model.onnx",
                          "visual/preprocess_cfg.json"));
}

TEST(ChooseFilesTest, WhatIsNoModelFolder) {
  for (const std::vector<std::string>& paths :
       {std::vector<std::string>{"model.safetensors", "config.json"},
        {"onnx/vision_model.onnx", "onnx/text_model.onnx", "config.json", "tokenizer.json"}}) {
    EXPECT_EQ(ChooseFiles(Files(paths), "a/b", "", 1 << 30).status().code(), absl::StatusCode::kNotFound);
  }
}

}  // namespace
}  // namespace eidetic::cli
