#include "cli/exchange/export_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/exchange/asset_json.h"
#include "cli/exchange/clip_retrieval.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"

namespace eidetic::cli::exchange {
namespace {

namespace fs = std::filesystem;
using eidetic::v1::ExportHeader;
using eidetic::v1::PortableAsset;

// In the folder while it is being written, and locked then.
constexpr char kMarker[] = "EXPORTING";

storage::FileSystem& Files() { return storage::PosixFileSystem(); }

absl::Status CheckTarget(const std::string& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return absl::OkStatus();
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  if (!fs::is_directory(status))
    return absl::FailedPreconditionError(absl::StrCat(directory, " is not a folder"));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, Files().ListDirectory(directory));
  if (names.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the folder ", directory, " holds something; export into a new or empty folder"));
}

// The folder beside the target, ours alone while it lives.
class Staging {
 public:
  static absl::StatusOr<std::unique_ptr<Staging>> Make(const std::string& directory) {
    auto staging = std::unique_ptr<Staging>(new Staging(absl::StrCat(directory, ".partial")));
    const std::string marker = absl::StrCat(staging->path_, "/", kMarker);
    if (Files().IsDirectory(staging->path_)) {
      EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, Files().ListDirectory(staging->path_));
      if (!names.empty() && std::find(names.begin(), names.end(), kMarker) == names.end()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the folder ", staging->path_, ", which is needed, holds other things; move it away"));
      }
    } else {
      EIDETIC_RETURN_IF_ERROR(storage::CreateDirectoriesDurably(Files(), staging->path_));
    }
    staging->lock_ = open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (staging->lock_ < 0) return absl::ErrnoToStatus(errno, marker);
    if (flock(staging->lock_, LOCK_EX | LOCK_NB) != 0) {
      return absl::UnavailableError(
          absl::StrCat("another export into ", directory, " goes on; wait for its end"));
    }
    staging->owned_ = true;
    // What an interrupted export left.
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names, Files().ListDirectory(staging->path_));
    for (const std::string& name : names) {
      if (name != kMarker)
        EIDETIC_RETURN_IF_ERROR(Files().RemoveAll(absl::StrCat(staging->path_, "/", name)));
    }
    return staging;
  }

  ~Staging() {
    // Without it the next export clears it away.
    if (owned_) Files().RemoveAll(path_).IgnoreError();
    if (lock_ >= 0) close(lock_);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const std::string& path() const { return path_; }

  // Gives the folder its name.
  absl::Status Place(const std::string& directory) {
    EIDETIC_RETURN_IF_ERROR(Files().RemoveAll(absl::StrCat(path_, "/", kMarker)));
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (entry.is_directory()) EIDETIC_RETURN_IF_ERROR(Files().SyncDirectory(entry.path().string()));
    }
    EIDETIC_RETURN_IF_ERROR(Files().SyncDirectory(path_));
    // Replaces an empty folder, and nothing else.
    EIDETIC_RETURN_IF_ERROR(Files().Rename(path_, directory));
    owned_ = false;
    return Files().SyncDirectory(fs::path(directory).parent_path().string());
  }

 private:
  explicit Staging(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  int lock_ = -1;
  bool owned_ = false;
};

class ExportFilesImpl final : public ExportFiles {
 public:
  ExportFilesImpl(const ExportOptions& options, const ExportHeader& header, std::unique_ptr<Staging> staging,
                  std::unique_ptr<PartWriter> writer)
      : options_(options), header_(header), staging_(std::move(staging)), writer_(std::move(writer)) {
    const uint64_t parts = (header.asset_count() + options.assets_per_part - 1) / options.assets_per_part;
    digits_ = absl::StrCat(parts > 0 ? parts - 1 : 0).size();
  }

  absl::Status Add(const PortableAsset& asset) override {
    if (left_ == 0) {
      if (added_ == header_.asset_count()) return WrongCount();
      left_ = std::min(options_.assets_per_part, header_.asset_count() - added_);
      EIDETIC_RETURN_IF_ERROR(writer_->Begin(NextPart(), left_));
    }
    EIDETIC_RETURN_IF_ERROR(writer_->Add(asset));
    ++added_;
    return --left_ == 0 ? writer_->End() : absl::OkStatus();
  }

  absl::Status Finish() override {
    if (added_ != header_.asset_count()) return WrongCount();
    // So that an empty library is an export too.
    if (part_ == 0) {
      EIDETIC_RETURN_IF_ERROR(writer_->Begin(NextPart(), 0));
      EIDETIC_RETURN_IF_ERROR(writer_->End());
    }
    writer_.reset();
    EIDETIC_RETURN_IF_ERROR(Files().RemoveAll(absl::StrCat(staging_->path(), "/", kScratchName)));
    EIDETIC_ASSIGN_OR_RETURN(const std::string json, ToJson(header_));
    EIDETIC_RETURN_IF_ERROR(storage::WriteFileDurably(
        Files(), absl::StrCat(staging_->path(), "/", kManifestName), absl::StrCat(json, "\n")));
    return staging_->Place(options_.directory);
  }

 private:
  std::string NextPart() {
    const std::string number = absl::StrCat(part_++);
    return std::string(digits_ - std::min(digits_, number.size()), '0') + number;
  }

  absl::Status WrongCount() const {
    return absl::DataLossError(absl::StrCat("the library says that it has ", header_.asset_count(),
                                            " assets and gives another number; run: eidetic verify"));
  }

  const ExportOptions options_;
  const ExportHeader header_;
  const std::unique_ptr<Staging> staging_;
  std::unique_ptr<PartWriter> writer_;
  size_t digits_ = 1;
  uint64_t part_ = 0;
  uint64_t added_ = 0;
  uint64_t left_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ExportFiles>> ExportFiles::Open(const ExportOptions& options,
                                                               const ExportHeader& header) {
  if (header.dimension() == 0) {
    return absl::FailedPreconditionError(
        "the library is empty and has no model yet: there is nothing to export");
  }
  EIDETIC_RETURN_IF_ERROR(CheckTarget(options.directory));
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<Staging> staging, Staging::Make(options.directory));
  std::unique_ptr<PartWriter> writer;
  if (options.format == ExportFormat::kNdjson) {
    writer = NewNdjsonWriter(staging->path());
  } else {
    EIDETIC_ASSIGN_OR_RETURN(writer,
                             NewClipRetrievalWriter(staging->path(), header.dimension(), options.half));
  }
  return std::make_unique<ExportFilesImpl>(options, header, std::move(staging), std::move(writer));
}

}  // namespace eidetic::cli::exchange
