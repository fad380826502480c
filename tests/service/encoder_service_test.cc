// EncoderService as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "service/grpc_status.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::EmbedRequest;
using eidetic::v1::EmbedResponse;
using testing::FloatNear;
using testing::Pointwise;

class EncoderServiceTest : public testing::Test {
 protected:
  grpc::Status Embed(const EmbedRequest& request, EmbedResponse* response = nullptr) {
    EmbedResponse ignored;
    return hosted_.encoder().Embed(NewContext().get(), request, response == nullptr ? &ignored : response);
  }

  HostedLibrary hosted_{/*over_tcp=*/true, ServiceLimits{.max_message_bytes = 1 << 20, .max_pixels = 10'000}};
};

double SquaredLength(const eidetic::v1::Embedding& embedding) {
  double squares = 0;
  for (const float value : embedding.values()) squares += static_cast<double>(value) * value;
  return squares;
}

TEST_F(EncoderServiceTest, EmbedsTextsAndPicturesInOrder) {
  EmbedRequest request;
  request.add_inputs()->set_text("a dog");
  for (uint32_t i = 0; i < 20; ++i) request.add_inputs()->set_image(MakePicture(30, 20, i));
  request.add_inputs()->set_text("two cats on a sofa");
  EmbedResponse together;
  ASSERT_TRUE(Embed(request, &together).ok());
  ASSERT_EQ(together.embeddings_size(), 22);
  EXPECT_EQ(together.model_fingerprint().size(), 32U);
  for (int i : {0, 1, 20, 21}) {
    EXPECT_NEAR(SquaredLength(together.embeddings(i)), 1, 1e-4);
    EmbedRequest alone_request;
    *alone_request.add_inputs() = request.inputs(i);
    EmbedResponse alone;
    ASSERT_TRUE(Embed(alone_request, &alone).ok());
    EXPECT_THAT(alone.embeddings(0).values(), Pointwise(FloatNear(1e-4F), together.embeddings(i).values()));
  }
}

TEST_F(EncoderServiceTest, NamesEachBadItemAndEmbedsNone) {
  EmbedRequest request;
  request.add_inputs()->set_text("fine");
  request.add_inputs();
  const auto unset = GetBadRequest(FromGrpcStatus(Embed(request)));
  ASSERT_TRUE(unset.has_value());
  EXPECT_EQ(unset->field_violations(0).field(), "inputs[1]");

  request.mutable_inputs(1)->set_image("garbage");
  request.add_inputs()->set_image(MakePicture(20, 20, 1));
  // One row over the limit of pixels.
  request.add_inputs()->set_image(MakePicture(100, 101, 1));
  const auto images = GetBadRequest(FromGrpcStatus(Embed(request)));
  ASSERT_TRUE(images.has_value());
  ASSERT_EQ(images->field_violations_size(), 2);
  EXPECT_EQ(images->field_violations(0).field(), "inputs[1].image");
  EXPECT_EQ(images->field_violations(1).field(), "inputs[3].image");
}

TEST_F(EncoderServiceTest, BatchAndMessageHaveLimits) {
  EmbedRequest request;
  EXPECT_EQ(Embed(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  for (int i = 0; i < 256; ++i) request.add_inputs()->set_text("dog");
  EXPECT_TRUE(Embed(request).ok());
  request.add_inputs()->set_text("dog");
  EXPECT_EQ(Embed(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  EmbedRequest large;
  large.add_inputs()->set_image(std::string(2 << 20, 'x'));
  EXPECT_EQ(Embed(large).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(EncoderServiceTest, TakesManyClients) {
  std::vector<std::thread> clients;
  for (uint32_t c = 0; c < 8; ++c) {
    clients.emplace_back([this, c] {
      for (uint32_t i = 0; i < 5; ++i) {
        EmbedRequest request;
        request.add_inputs()->set_text("client " + std::to_string(c) + " call " + std::to_string(i));
        request.add_inputs()->set_image(MakePicture(16, 16, c));
        const grpc::Status status = Embed(request);
        EXPECT_TRUE(status.ok()) << status.error_message();
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace eidetic::service
