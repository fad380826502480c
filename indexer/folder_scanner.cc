#include "indexer/folder_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/image_decoder.h"

namespace eidetic::indexer {
namespace {

FileStamp StampOf(const struct stat& info) {
  return {.mtime_nanos = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec,
          .size_bytes = static_cast<uint64_t>(info.st_size)};
}

absl::Status WhyNoFile(const struct stat& info) {
  if (S_ISDIR(info.st_mode))
    return absl::InvalidArgumentError("is a folder, not a picture; what is in it is indexed");
  if (S_ISFIFO(info.st_mode)) return absl::InvalidArgumentError("is a FIFO, not a picture");
  if (S_ISSOCK(info.st_mode)) return absl::InvalidArgumentError("is a socket, not a picture");
  return absl::InvalidArgumentError("is a device, not a picture");
}

absl::Status WhyNoStat(int error) {
  if (error == ENOENT) return absl::NotFoundError("the link leads nowhere");
  if (error == ELOOP) return absl::InvalidArgumentError("the link leads back to itself");
  return absl::ErrnoToStatus(error, "cannot be looked at");
}

// "photo.jpg" → "photo".
std::string Stem(const std::string& name) { return name.substr(0, name.rfind('.')); }

// One folder at a time, from a list, so that depth costs no stack and no more
// than one open folder.
class Scan {
 public:
  explicit Scan(const ScanCallbacks& callbacks) : callbacks_(callbacks) {}

  void Run(const std::string& root) {
    struct stat info {};
    if (stat(root.c_str(), &info) != 0) {
      const int error = errno;
      callbacks_.failure(root,
                         error == ENOENT ? absl::NotFoundError("there is no such file or folder")
                                         : absl::ErrnoToStatus(error, "cannot be looked at"),
                         /*is_folder=*/true);
      return;
    }
    if (S_ISREG(info.st_mode)) {
      const size_t slash = root.rfind('/');
      Report(root.substr(0, slash), root.substr(slash + 1), info, nullptr);
      return;
    }
    if (!S_ISDIR(info.st_mode)) {
      callbacks_.failure(root, WhyNoFile(info), /*is_folder=*/false);
      return;
    }
    pending_.push_back(root);
    while (!pending_.empty() && !ended_) {
      const std::string folder = std::move(pending_.back());
      pending_.pop_back();
      ScanOne(folder);
    }
  }

 private:
  void ScanOne(const std::string& folder) {
    DIR* stream = opendir(folder.c_str());
    if (stream == nullptr) {
      callbacks_.failure(folder, absl::ErrnoToStatus(errno, "the folder cannot be read"), /*is_folder=*/true);
      return;
    }
    const absl::Cleanup close_stream = [stream] { closedir(stream); };
    // All names first: a sidecar is then known without asking the system.
    absl::flat_hash_set<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream)) names.insert(entry->d_name);
    if (errno != 0) {
      callbacks_.failure(folder, absl::ErrnoToStatus(errno, "the folder cannot be read"), /*is_folder=*/true);
      return;
    }
    if (names.contains("LIBRARY") && names.contains("rocksdb")) return;
    std::vector<std::string> sorted(names.begin(), names.end());
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::string> folders;
    for (const std::string& name : sorted) {
      if (ended_ || callbacks_.stopped()) {
        ended_ = true;
        return;
      }
      if (absl::StartsWith(name, ".")) continue;
      Look(dirfd(stream), folder, name, names, folders);
    }
    // The first folder is taken from the back next.
    pending_.insert(pending_.end(), folders.rbegin(), folders.rend());
  }

  void Look(int directory, const std::string& folder, const std::string& name,
            const absl::flat_hash_set<std::string>& names, std::vector<std::string>& folders) {
    const std::string path = Join(folder, name);
    const bool picture = encoder::HasImageExtension(name);
    struct stat link {};
    if (fstatat(directory, name.c_str(), &link, AT_SYMLINK_NOFOLLOW) != 0) {
      // Gone since the folder was read: not there, and no mistake of anybody's.
      if (errno != ENOENT && picture) callbacks_.failure(path, WhyNoStat(errno), /*is_folder=*/false);
      return;
    }
    if (S_ISDIR(link.st_mode)) {
      if (picture) callbacks_.failure(path, WhyNoFile(link), /*is_folder=*/false);
      folders.push_back(path);
      return;
    }
    if (!picture) return;
    struct stat info = link;
    if (S_ISLNK(link.st_mode) && fstatat(directory, name.c_str(), &info, 0) != 0) {
      callbacks_.failure(path, WhyNoStat(errno), /*is_folder=*/false);
      return;
    }
    if (!S_ISREG(info.st_mode)) {
      callbacks_.failure(path,
                         S_ISDIR(info.st_mode)
                             ? absl::InvalidArgumentError("is a link to a folder, not a picture")
                             : WhyNoFile(info),
                         /*is_folder=*/false);
      return;
    }
    Report(folder, name, info, &names);
  }

  // `names`: what is in the folder; null when that is not known.
  void Report(const std::string& folder, const std::string& name, const struct stat& info,
              const absl::flat_hash_set<std::string>* names) {
    FoundPicture found{
        .path = Join(folder, name), .stamp = StampOf(info), .sidecar_path = {}, .sidecar_stamp = {}};
    for (const std::string& sidecar : {absl::StrCat(name, ".txt"), absl::StrCat(Stem(name), ".txt")}) {
      if (names != nullptr && !names->contains(sidecar)) continue;
      const std::string path = Join(folder, sidecar);
      struct stat sidecar_info {};
      if (stat(path.c_str(), &sidecar_info) != 0 || !S_ISREG(sidecar_info.st_mode)) continue;
      found.sidecar_path = path;
      found.sidecar_stamp = StampOf(sidecar_info);
      break;
    }
    if (!callbacks_.file(std::move(found))) ended_ = true;
  }

  static std::string Join(const std::string& folder, const std::string& name) {
    return absl::EndsWith(folder, "/") ? absl::StrCat(folder, name) : absl::StrCat(folder, "/", name);
  }

  const ScanCallbacks& callbacks_;
  std::vector<std::string> pending_;
  bool ended_ = false;
};

}  // namespace

void ScanFolder(const std::string& root, const ScanCallbacks& callbacks) { Scan(callbacks).Run(root); }

}  // namespace eidetic::indexer
