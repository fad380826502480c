// The frame around every value: a format version in front, a checksum over key
// and payload behind, so that a value can neither rot nor be read under another
// key unnoticed. Stateless; any thread.
//
//   frame = version (1 byte) | payload | low 4 bytes of XXH3-64(key, payload), little-endian
#ifndef EIDETIC_STORAGE_RECORD_CODEC_H_
#define EIDETIC_STORAGE_RECORD_CODEC_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace eidetic::storage {

std::string EncodeFrame(absl::string_view key, absl::string_view payload);

// The payload inside `frame`. kDataLoss: too short or a wrong checksum;
// kFailedPrecondition: written by a newer version of Eidetic.
absl::StatusOr<absl::string_view> DecodeFrame(absl::string_view key, absl::string_view frame);

std::string EncodeRecord(absl::string_view key, const google::protobuf::MessageLite& record);
absl::Status DecodeRecord(absl::string_view key, absl::string_view frame,
                          google::protobuf::MessageLite& record);

// An embedding carries the id it belongs to: payload = length of the id (1
// byte) | id | values (float32, little-endian). Without values it says that the
// asset was left out of the generation.
std::string EncodeEmbedding(absl::string_view key, absl::string_view owner, std::span<const float> values);

struct EmbeddingView {
  absl::string_view owner;
  absl::string_view bytes;  // of the values; not aligned
  bool left_out() const { return bytes.empty(); }
};

// kDataLoss unless the frame is whole and holds `dimension` values, or none.
absl::StatusOr<EmbeddingView> DecodeEmbedding(absl::string_view key, absl::string_view frame,
                                              size_t dimension);

// Whether the frame of an embedding has no values, by its size alone.
bool IsLeftOut(absl::string_view frame);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_RECORD_CODEC_H_
