#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/exchange/asset_json.h"
#include "cli/exchange/clip_retrieval.h"
#include "proto/status_macros.h"

namespace eidetic::cli::exchange {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
// An asset with a thousand captions and their embeddings is some 10 MB.
constexpr size_t kLongestLine = size_t{32} << 20;

class NdjsonFiles final : public ImportFiles {
 public:
  NdjsonFiles(std::vector<std::string> files, const eidetic::v1::ExportHeader& manifest)
      : files_(std::move(files)) {
    header_ = manifest;
  }

  absl::Status OpenFile() {
    file_ = std::ifstream(files_[next_], std::ios::binary);
    if (!file_.is_open())
      return absl::PermissionDeniedError(absl::StrCat(files_[next_], " cannot be opened"));
    name_ = std::filesystem::path(files_[next_]).filename().string();
    ++next_;
    line_number_ = 0;
    buffer_.clear();
    at_ = 0;
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next(ImportItem& item) override {
    while (true) {
      bool too_long = false;
      EIDETIC_ASSIGN_OR_RETURN(const bool more, ReadLine(too_long));
      if (!more) {
        if (next_ == files_.size()) return false;
        EIDETIC_RETURN_IF_ERROR(OpenFile());
        continue;
      }
      if (!too_long && absl::StripAsciiWhitespace(line_).empty()) continue;
      item.asset.Clear();
      item.place = absl::StrCat(name_, " line ", line_number_);
      item.problem = too_long
                         ? absl::InvalidArgumentError(absl::StrCat("longer than ", kLongestLine, " bytes"))
                         : FromJson(line_, item.asset);
      return true;
    }
  }

 private:
  // A line that is too long is passed over without keeping it.
  absl::StatusOr<bool> ReadLine(bool& too_long) {
    line_.clear();
    bool any = false;
    while (true) {
      if (at_ == buffer_.size()) {
        buffer_.resize(kBufferBytes);
        file_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        buffer_.resize(static_cast<size_t>(file_.gcount()));
        at_ = 0;
        if (file_.bad()) return absl::UnavailableError(absl::StrCat(name_, ": reading failed"));
        if (buffer_.empty()) {
          if (any) ++line_number_;
          return any;
        }
      }
      any = true;
      const size_t end = buffer_.find('\n', at_);
      const size_t count = std::min(end, buffer_.size()) - at_;
      too_long = too_long || line_.size() + count > kLongestLine;
      if (too_long) {
        line_.clear();
      } else {
        line_.append(buffer_, at_, count);
      }
      at_ += count;
      if (end == std::string::npos) continue;
      ++at_;
      ++line_number_;
      return true;
    }
  }

  const std::vector<std::string> files_;
  size_t next_ = 0;
  std::ifstream file_;
  std::string name_;
  uint64_t line_number_ = 0;
  std::string buffer_;
  size_t at_ = 0;
  std::string line_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImportFiles>> OpenNdjson(std::vector<std::string> files,
                                                        const eidetic::v1::ExportHeader& manifest) {
  auto opened = std::make_unique<NdjsonFiles>(std::move(files), manifest);
  EIDETIC_RETURN_IF_ERROR(opened->OpenFile());
  return opened;
}

}  // namespace eidetic::cli::exchange
