#include "searcher/snapshot_part.h"

#include <algorithm>

#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

constexpr uint64_t kBlock = uint64_t{1} << 20;

}  // namespace

absl::Status SnapshotPart::ForEachPiece(const std::function<absl::Status(absl::string_view)>& visit) const {
  std::string block;
  for (const Piece& piece : pieces_) {
    if (piece.file == nullptr) {
      EIDETIC_RETURN_IF_ERROR(visit(piece.bytes));
      continue;
    }
    for (uint64_t done = 0; done < piece.size; done += block.size()) {
      block.resize(std::min(kBlock, piece.size - done));
      EIDETIC_RETURN_IF_ERROR(
          piece.file->ReadAt(piece.offset + done, {reinterpret_cast<uint8_t*>(block.data()), block.size()}));
      EIDETIC_RETURN_IF_ERROR(visit(block));
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::searcher
