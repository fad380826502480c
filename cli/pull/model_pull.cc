#include "cli/pull/model_pull.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "encoder/dual_encoder.h"
#include "encoder/physical_memory.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostListingBytes = uint64_t{16} << 20;
constexpr size_t kReadBytes = size_t{1} << 20;
// A file that came damaged is downloaded once more.
constexpr int kDownloads = 2;

// SHA-256 of the content, or SHA-1 of Git's blob, in hexadecimal digits.
absl::StatusOr<std::string> HashOf(const std::string& path, const RemoteFile& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const bool git = file.sha256.empty();
  EVP_DigestInit_ex(context.get(), git ? EVP_sha1() : EVP_sha256(), nullptr);
  if (git) {
    const std::string head = absl::StrCat("blob ", file.size, std::string(1, '\0'));
    EVP_DigestUpdate(context.get(), head.data(), head.size());
  }
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> buffer(kReadBytes);
  while (stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || stream.gcount() > 0) {
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(stream.gcount()));
  }
  if (!stream.eof()) return absl::DataLossError(absl::StrCat("cannot read ", path));
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

absl::StatusOr<bool> IsWhole(const std::string& path, const RemoteFile& file) {
  std::error_code error;
  if (fs::file_size(path, error) != file.size || error) return false;
  EIDETIC_ASSIGN_OR_RETURN(const std::string hash, HashOf(path, file));
  return hash == absl::AsciiStrToLower(file.sha256.empty() ? file.git_sha1 : file.sha256);
}

absl::Status MakeFolders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot make the folder ", folder.string()));
}

absl::Status CheckRoom(const std::string& folder, const ChosenFiles& chosen) {
  uint64_t missing = 0;
  for (const RemoteFile& file : chosen.files) {
    std::error_code error;
    const uint64_t have = fs::file_size(fs::path(folder) / file.path, error);
    missing += error || have > file.size ? file.size : file.size - have;
  }
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= missing) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(missing, " bytes are to be downloaded, but the disk of ",
                                                   folder, " has room for ", space.available));
}

absl::Status SyncFolder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const int error = errno;
  if (file >= 0) close(file);
  return synced ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat("cannot write ", folder));
}

// The lock of a folder that is being filled; freed when it is closed.
absl::StatusOr<int> LockFolder(const std::string& folder) {
  const int lock = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", folder));
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  close(lock);
  return absl::UnavailableError(absl::StrCat("another process is downloading into ", folder));
}

class Puller {
 public:
  Puller(const PullRequest& request, HttpClient& client,
         absl::FunctionRef<bool(const PullProgress&)> progress)
      : request_(request),
        client_(client),
        progress_(progress),
        partial_(absl::StrCat(request.folder, kPartialEnding)) {}

  absl::StatusOr<PulledModel> Run() {
    std::error_code error;
    if (fs::symlink_status(request_.folder, error).type() != fs::file_type::not_found) {
      return absl::AlreadyExistsError(
          absl::StrCat(request_.folder, " is there already; remove it, or give another place with --to"));
    }
    EIDETIC_ASSIGN_OR_RETURN(const ChosenFiles chosen, ListFiles());
    EIDETIC_RETURN_IF_ERROR(MakeFolders(partial_));
    EIDETIC_ASSIGN_OR_RETURN(const int lock, LockFolder(partial_));
    const absl::Cleanup unlock = [lock] { close(lock); };
    EIDETIC_RETURN_IF_ERROR(CheckRoom(partial_, chosen));
    state_.total = chosen.bytes;
    for (const RemoteFile& file : chosen.files) EIDETIC_RETURN_IF_ERROR(Fetch(file));

    EIDETIC_ASSIGN_OR_RETURN(const auto encoder,
                             encoder::DualEncoder::Load(partial_, {.variant = chosen.variant}));
    EIDETIC_RETURN_IF_ERROR(SyncFolder(partial_));
    fs::rename(partial_, request_.folder, error);
    if (error)
      return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot name the folder ", request_.folder));
    EIDETIC_RETURN_IF_ERROR(SyncFolder(fs::path(request_.folder).parent_path().string()));
    return PulledModel{.variant = chosen.variant,
                       .fingerprint = encoder->info().fingerprint,
                       .files = chosen.files.size(),
                       .bytes = chosen.bytes};
  }

 private:
  absl::StatusOr<ChosenFiles> ListFiles() {
    const ModelSource& source = request_.source;
    EIDETIC_ASSIGN_OR_RETURN(
        const std::string listing,
        client_.Get(source.TreeUrl(), kMostListingBytes, [this](uint64_t) { return progress_(state_); }));
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<RemoteFile> files, ParseModelTree(listing));
    return ChooseFiles(files, source.repository, request_.variant, encoder::PhysicalMemoryBytes());
  }

  absl::Status Fetch(const RemoteFile& file) {
    const std::string path = absl::StrCat(partial_, "/", file.path);
    EIDETIC_RETURN_IF_ERROR(MakeFolders(fs::path(path).parent_path()));
    state_.file = file.path;
    const uint64_t before = state_.done;
    for (int download = 1; download <= kDownloads; ++download) {
      EIDETIC_RETURN_IF_ERROR(
          client_.Download(request_.source.FileUrl(file.path), path, file.size, [&](uint64_t done) {
            state_.done = before + done;
            return progress_(state_);
          }));
      EIDETIC_ASSIGN_OR_RETURN(const bool whole, IsWhole(path, file));
      state_.done = before + file.size;
      if (whole) return absl::OkStatus();
      std::error_code error;
      fs::remove(path, error);
    }
    return absl::DataLossError(
        absl::StrCat(request_.source.FileUrl(file.path), ": came ", kDownloads,
                     " times with another checksum than the server lists; nothing of it is kept"));
  }

  const PullRequest& request_;
  HttpClient& client_;
  const absl::FunctionRef<bool(const PullProgress&)> progress_;
  const std::string partial_;
  PullProgress state_;
};

}  // namespace

absl::StatusOr<PulledModel> PullModel(const PullRequest& request, HttpClient& client,
                                      absl::FunctionRef<bool(const PullProgress&)> progress) {
  return Puller(request, client, progress).Run();
}

}  // namespace eidetic::cli
