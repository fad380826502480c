#include "storage/caption_reader.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/keys.h"
#include "storage/record_codec.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {

absl::StatusOr<std::vector<CaptionEntry>> ReadCaptionsThrough(rocksdb::Iterator& iterator, Ordinal ordinal) {
  std::vector<CaptionEntry> entries;
  for (iterator.Seek(CaptionKey(MakeCaptionId(ordinal, 0))); iterator.Valid(); iterator.Next()) {
    const std::optional<uint64_t> id = ParseUint64Key(ToView(iterator.key()));
    if (!id.has_value() || CaptionOrdinal(*id) != ordinal) break;
    CaptionEntry entry{.id = *id, .record = {}};
    EIDETIC_RETURN_IF_ERROR(
        AddContext(DecodeRecord(ToView(iterator.key()), ToView(iterator.value()), entry.record),
                   absl::StrCat("caption ", *id)));
    entries.push_back(std::move(entry));
  }
  EIDETIC_RETURN_IF_ERROR(FromRocksDb(iterator.status(), "reading captions"));
  return entries;
}

}  // namespace eidetic::storage
