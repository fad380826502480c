#include "service/grpc_status.h"

#include <gtest/gtest.h>

#include <string>

#include "google/rpc/status.pb.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

TEST(GrpcStatusTest, EveryCodeAndMessageComesBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what went wrong");
    const grpc::Status over_the_wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(over_the_wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(over_the_wire), status);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(GrpcStatusTest, FieldViolationsTravelAsGoogleRpcDetails) {
  const grpc::Status status = ToGrpcStatus(InvalidField("terms[2].weight", "is nan"));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 3);
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest");

  const auto bad_request = GetBadRequest(FromGrpcStatus(status));
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "terms[2].weight");
  EXPECT_EQ(bad_request->field_violations(0).description(), "is nan");
}

TEST(GrpcStatusTest, RetryDelayTravels) {
  const absl::Status sent = WithRetryDelay(absl::ResourceExhaustedError("busy"), absl::Milliseconds(1250));
  const auto retry = GetRetryInfo(FromGrpcStatus(ToGrpcStatus(sent)));
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 250'000'000);
}

TEST(GrpcStatusTest, PayloadsOfLibrariesBelowStayInside) {
  absl::Status status = absl::InternalError("broken");
  status.SetPayload("example.internal/secret", absl::Cord("secret"));
  EXPECT_TRUE(ToGrpcStatus(status).error_details().empty());
}

TEST(GrpcStatusTest, WhatAClientSentCannotBreakTheTrailer) {
  FieldViolations violations;
  for (int i = 0; i < 10'000; ++i) violations.Add("field", std::string(5'000, '\xFF'));
  const grpc::Status status = ToGrpcStatus(violations.ToStatus());
  // gRPC's limit for all metadata is 8 KiB; details travel in base64.
  EXPECT_LT(status.error_message().size() + status.error_details().size() * 4 / 3, 7'000U);
  EXPECT_NE(status.error_message().find("\\xff"), std::string::npos);
  EXPECT_TRUE(GetBadRequest(FromGrpcStatus(status)).has_value());
}

TEST(GrpcStatusTest, GarbageDetailsAreLeftOut) {
  const absl::Status status =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "bad", "\xFF\xFFnot a proto"));
  EXPECT_EQ(status, absl::InvalidArgumentError("bad"));
  EXPECT_FALSE(GetBadRequest(status).has_value());
}

}  // namespace
}  // namespace eidetic::service
