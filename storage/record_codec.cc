#include "storage/record_codec.h"

#include <xxhash.h>

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/library.h"

namespace eidetic::storage {
namespace {

constexpr size_t kVersionBytes = 1;
constexpr size_t kChecksumBytes = 4;

uint32_t Checksum(absl::string_view key, absl::string_view payload) {
  // The key's hash seeds the payload's.
  const uint64_t seed = XXH3_64bits(key.data(), key.size());
  return static_cast<uint32_t>(XXH3_64bits_withSeed(payload.data(), payload.size(), seed));
}

void StoreChecksum(uint32_t checksum, char* out) {
  for (size_t i = 0; i < kChecksumBytes; ++i) out[i] = static_cast<char>(checksum >> (8 * i));
}

}  // namespace

std::string EncodeFrame(absl::string_view key, absl::string_view payload) {
  std::string frame(kVersionBytes + payload.size() + kChecksumBytes, '\0');
  frame[0] = static_cast<char>(kFormatVersion);
  if (!payload.empty()) std::memcpy(frame.data() + kVersionBytes, payload.data(), payload.size());
  StoreChecksum(Checksum(key, payload), frame.data() + kVersionBytes + payload.size());
  return frame;
}

absl::StatusOr<absl::string_view> DecodeFrame(absl::string_view key, absl::string_view frame) {
  if (frame.size() < kVersionBytes + kChecksumBytes) {
    return absl::DataLossError("the stored value is too short");
  }
  const absl::string_view payload =
      frame.substr(kVersionBytes, frame.size() - kVersionBytes - kChecksumBytes);
  char expected[kChecksumBytes];
  StoreChecksum(Checksum(key, payload), expected);
  if (std::memcmp(expected, frame.data() + frame.size() - kChecksumBytes, kChecksumBytes) != 0) {
    return absl::DataLossError("the stored value's checksum is wrong");
  }
  // The frame is the same in every format (docs/upgrades.md): this one is whole.
  const auto version = static_cast<uint8_t>(frame[0]);
  if (version == 0) return absl::DataLossError("the stored value has no format");
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the stored value has format ", version, ", this version of Eidetic reads up to format ",
                     kFormatVersion, "; use the version that wrote it, or a newer one"));
  }
  return payload;
}

std::string EncodeRecord(absl::string_view key, const google::protobuf::MessageLite& record) {
  return EncodeFrame(key, record.SerializeAsString());
}

absl::Status DecodeRecord(absl::string_view key, absl::string_view frame,
                          google::protobuf::MessageLite& record) {
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view payload, DecodeFrame(key, frame));
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError("the stored value cannot be parsed");
  }
  return absl::OkStatus();
}

std::string EncodeEmbedding(absl::string_view key, absl::string_view owner, std::span<const float> values) {
  std::string payload(1 + owner.size() + values.size_bytes(), '\0');
  payload[0] = static_cast<char>(owner.size());
  std::memcpy(payload.data() + 1, owner.data(), owner.size());
  std::memcpy(payload.data() + 1 + owner.size(), values.data(), values.size_bytes());
  return EncodeFrame(key, payload);
}

absl::StatusOr<EmbeddingView> DecodeEmbedding(absl::string_view key, absl::string_view frame,
                                              size_t dimension) {
  EIDETIC_ASSIGN_OR_RETURN(const absl::string_view payload, DecodeFrame(key, frame));
  const size_t owner = payload.empty() ? 0 : static_cast<uint8_t>(payload[0]);
  if (payload.size() != 1 + owner && payload.size() != 1 + owner + dimension * sizeof(float)) {
    return absl::DataLossError(absl::StrCat("the stored embedding does not have ", dimension, " values"));
  }
  return EmbeddingView{payload.substr(1, owner), payload.substr(1 + owner)};
}

bool IsLeftOut(absl::string_view frame) {
  return frame.size() > kVersionBytes &&
         frame.size() == kVersionBytes + 1 + static_cast<uint8_t>(frame[kVersionBytes]) + kChecksumBytes;
}

}  // namespace eidetic::storage
