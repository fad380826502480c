// Finds the pictures under a folder. Hidden files and folders (names that begin
// with a dot) and libraries of Eidetic are passed over; links to files are
// followed, links to folders are not, so that no loop can be. Stateless; any
// thread.
//
//   ScanFolder("/photos", {.file = ..., .failure = ..., .stopped = ...});
#ifndef EIDETIC_INDEXER_FOLDER_SCANNER_H_
#define EIDETIC_INDEXER_FOLDER_SCANNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace eidetic::indexer {

// Modification time and size: what tells a changed file from an unchanged one.
struct FileStamp {
  int64_t mtime_nanos = 0;
  uint64_t size_bytes = 0;

  bool operator==(const FileStamp&) const = default;
};

struct FoundPicture {
  std::string path;  // absolute, bytes as the system gave them
  FileStamp stamp;
  // The text beside it: photo.jpg.txt, otherwise photo.txt.
  std::string sidecar_path;
  std::optional<FileStamp> sidecar_stamp;
};

struct ScanCallbacks {
  // Return false to stop.
  std::function<bool(FoundPicture)> file;
  // What has a picture's name but is none that can be opened, and folders that
  // cannot be read (`is_folder`: what lies under it is unknown, not gone).
  std::function<void(const std::string& path, const absl::Status& status, bool is_folder)> failure;
  std::function<bool()> stopped;
};

// `root` is a folder or a file (a file is taken whatever its name).
void ScanFolder(const std::string& root, const ScanCallbacks& callbacks);

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_FOLDER_SCANNER_H_
