// The file of --captions: lines of image TAB caption, or image TAB index TAB
// caption (docs/captions.md). Stateless; any thread.
//
//   ASSIGN_OR_RETURN(CaptionFile file, ReadCaptionFile("captions.tsv"));
#ifndef EIDETIC_INDEXER_CAPTION_FILE_H_
#define EIDETIC_INDEXER_CAPTION_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::indexer {

struct CaptionFile {
  struct Image {
    std::string name;  // as written: a path or a file name
    std::vector<std::string> captions;
  };
  // In the order of each image's first line.
  std::vector<Image> images;
  size_t caption_count = 0;
  // Lines that are no captions; the messages name the line.
  std::vector<absl::Status> bad_lines;
};

// Errors name the file: those of reading it; kInvalidArgument when it has lines
// but not one caption.
absl::StatusOr<CaptionFile> ReadCaptionFile(const std::string& path);

// As ReadCaptionFile of a file with this content; never fails.
CaptionFile ParseCaptionFile(absl::string_view text);

// A text made fit to be stored as a caption: white space at the ends taken off,
// cut to 4,096 bytes at the end of a character. Empty when nothing is left or
// the text is not UTF-8.
std::string CleanCaption(absl::string_view text);

}  // namespace eidetic::indexer

#endif  // EIDETIC_INDEXER_CAPTION_FILE_H_
