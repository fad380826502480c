// Keys of the column families (docs/storage.md): numbers are big-endian, so
// that RocksDB's byte order is their order. Stateless.
#ifndef EIDETIC_STORAGE_KEYS_H_
#define EIDETIC_STORAGE_KEYS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "storage/library.h"

namespace eidetic::storage {

std::string OrdinalKey(Ordinal ordinal);
std::string CaptionKey(CaptionId id);
std::string SequenceKey(uint64_t sequence);

// nullopt when the key has another length.
std::optional<Ordinal> ParseOrdinalKey(absl::string_view key);
std::optional<uint64_t> ParseUint64Key(absl::string_view key);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_KEYS_H_
