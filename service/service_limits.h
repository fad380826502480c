// Bounds of what one request may ask for. A value type.
#ifndef EIDETIC_SERVICE_SERVICE_LIMITS_H_
#define EIDETIC_SERVICE_SERVICE_LIMITS_H_

#include <cstdint>

namespace eidetic::service {

struct ServiceLimits {
  // One gRPC message, in either direction.
  int max_message_bytes = 64 << 20;
  // Pixels of one picture in a request.
  uint64_t max_pixels = 100'000'000;
  // Items of one Embed request.
  int max_embed_batch = 256;
  // Calls worked on at once; more get RESOURCE_EXHAUSTED with RetryInfo.
  int max_concurrent_calls = 64;
  // Text embeddings kept in memory.
  int text_cache_entries = 4096;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_SERVICE_LIMITS_H_
