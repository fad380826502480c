// One file of a snapshot before it is written: pieces that follow each other,
// borrowed where they lie, in memory or in another file, so that saving an index
// does not copy it. Belongs to one thread; what it borrows must stay as it is
// until it is written.
//
//   SnapshotPart part;
//   part.Own(header);
//   part.Borrow(codes.view(), graph);
//   RETURN_IF_ERROR(part.ForEachPiece([&](absl::string_view bytes) { return file.Append(bytes); }));
#ifndef EIDETIC_SEARCHER_SNAPSHOT_PART_H_
#define EIDETIC_SEARCHER_SNAPSHOT_PART_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/file_system.h"

namespace eidetic::searcher {

class SnapshotPart {
 public:
  SnapshotPart() = default;
  explicit SnapshotPart(std::string bytes) { Own(std::move(bytes)); }

  void Own(std::string bytes) {
    auto owned = std::make_shared<const std::string>(std::move(bytes));
    Borrow(*owned, owned);
  }
  // `owner` keeps the bytes; null: the caller does.
  void Borrow(absl::string_view bytes, std::shared_ptr<const void> owner = nullptr) {
    size_ += bytes.size();
    pieces_.push_back({.bytes = bytes, .owner = std::move(owner)});
  }
  void BorrowFromFile(std::shared_ptr<const storage::ReadableFile> file, uint64_t offset, uint64_t size) {
    size_ += size;
    pieces_.push_back({.file = std::move(file), .offset = offset, .size = size});
  }

  uint64_t size() const { return size_; }
  // All bytes in order; stops at the first error. `visit` gets what is read from a
  // file in blocks.
  absl::Status ForEachPiece(const std::function<absl::Status(absl::string_view)>& visit) const;

 private:
  struct Piece {
    absl::string_view bytes;
    std::shared_ptr<const void> owner;
    // Or, when it is not null:
    std::shared_ptr<const storage::ReadableFile> file;
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SNAPSHOT_PART_H_
