#include "service/page_token.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "eidetic/service/v1/page_token.pb.h"

namespace eidetic::service {
namespace {

using eidetic::service::v1::ListAssetsPageToken;
using eidetic::service::v1::SearchPageToken;

SearchPageToken SomePage() {
  SearchPageToken page;
  page.set_offset(20);
  page.set_last_sequence(77);
  page.set_request_digest("0123456789abcdef");
  return page;
}

TEST(PageTokenTest, ComesBackAsGiven) {
  const PageTokenCodec codec("key");
  const auto token = codec.Encode(SomePage());
  ASSERT_TRUE(token.ok());
  SearchPageToken decoded;
  ASSERT_TRUE(codec.Decode(*token, decoded).ok());
  EXPECT_EQ(decoded.SerializeAsString(), SomePage().SerializeAsString());
}

TEST(PageTokenTest, EveryAlteredCharacterIsRefused) {
  const PageTokenCodec codec("key");
  const std::string token = codec.Encode(SomePage()).value();
  for (size_t i = 0; i + 1 < token.size(); ++i) {
    std::string altered = token;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    SearchPageToken decoded;
    EXPECT_EQ(codec.Decode(altered, decoded).code(), absl::StatusCode::kInvalidArgument) << i;
  }
}

TEST(PageTokenTest, ForeignTokensAreRefused) {
  const PageTokenCodec codec("key");
  const std::string token = codec.Encode(SomePage()).value();
  SearchPageToken decoded;
  EXPECT_FALSE(PageTokenCodec("another key").Decode(token, decoded).ok());
  // A token of another list, validly signed.
  ListAssetsPageToken list_page;
  EXPECT_FALSE(codec.Decode(token, list_page).ok());
  for (const std::string& garbage : {std::string("x"), std::string("!!!!"), std::string(100'000, 'A'),
                                     token.substr(0, 10), token + "AAAA"}) {
    EXPECT_FALSE(codec.Decode(garbage, decoded).ok());
  }
}

TEST(PageTokenTest, NewerOnesAreToldApart) {
  const PageTokenCodec codec("key");
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(codec.Encode(SomePage()).value(), &bytes));
  bytes[0] = 7;
  SearchPageToken decoded;
  const absl::Status status = codec.Decode(absl::WebSafeBase64Escape(bytes), decoded);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"version 7", "version 1", "first page"}) {
    EXPECT_NE(status.message().find(part), absl::string_view::npos) << status;
  }
}

TEST(PageTokenTest, KeysDiffer) { EXPECT_NE(NewPageTokenKey().value(), NewPageTokenKey().value()); }

TEST(PageTokenTest, DigestTellsRequestsApart) {
  EXPECT_EQ(Digest("a dog").value(), Digest("a dog").value());
  EXPECT_NE(Digest("a dog").value(), Digest("a cat").value());
}

}  // namespace
}  // namespace eidetic::service
