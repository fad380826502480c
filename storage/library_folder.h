// The folder of a library and its file LIBRARY, which says that it is one and in
// which format (docs/storage.md). Stateless; the library's lock is held
// where something is written.
#ifndef EIDETIC_STORAGE_LIBRARY_FOLDER_H_
#define EIDETIC_STORAGE_LIBRARY_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"

namespace eidetic::storage {

bool HasFormatFile(const std::string& directory);

// Why this process cannot write to the library: "it is on a read-only file
// system", …; empty when it can. kPermissionDenied: it may not even be read.
absl::StatusOr<std::string> ObstacleToWriting(const std::string& directory);

// Durable when it returns. A folder with this file is a whole library: written
// last.
absl::Status WriteFormatFile(FileSystem& files, const std::string& directory);

// kFailedPrecondition: of a newer format; kDataLoss: damaged.
absl::Status CheckFormatFile(const std::string& directory);

// Makes the folder of a new library, durably. kFailedPrecondition when it holds other
// things.
absl::Status PrepareNewDirectory(FileSystem& files, const std::string& directory);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_LIBRARY_FOLDER_H_
