// Reads the captions of one asset through any iterator over their family.
// Stateless.
#ifndef EIDETIC_STORAGE_CAPTION_READER_H_
#define EIDETIC_STORAGE_CAPTION_READER_H_

#include <rocksdb/iterator.h>

#include <vector>

#include "absl/status/statusor.h"
#include "storage/library.h"

namespace eidetic::storage {

// By slot; empty when the asset has none. kDataLoss names the caption.
absl::StatusOr<std::vector<CaptionEntry>> ReadCaptionsThrough(rocksdb::Iterator& iterator, Ordinal ordinal);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_CAPTION_READER_H_
