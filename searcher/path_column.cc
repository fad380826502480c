#include "searcher/path_column.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace eidetic::searcher {
namespace {

// Paths compared between two looks at whether to stop.
constexpr size_t kPathsAtOnce = 8'192;

// Whether one folder of the path "/photos/italy" is called so.
bool HasFolderNamed(absl::string_view folder, const TextPattern& pattern) {
  size_t begin = 0;
  while (begin <= folder.size()) {
    const size_t end = std::min(folder.find('/', begin), folder.size());
    if (end > begin && pattern.Matches(folder.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

void PathColumn::FindFolders(const TextPattern& pattern, bool part, Roaring& out) const {
  const bool is_name = pattern.literal().find('/') == std::string::npos;
  for (size_t folder = 0; folder < folders_.size(); ++folder) {
    const bool matches =
        part ? pattern.MatchesPart(folders_[folder])
             : pattern.Matches(folders_[folder]) || (is_name && HasFolderNamed(folders_[folder], pattern));
    if (matches) out.addMany(starts_[folder + 1] - starts_[folder], ordinals_.data() + starts_[folder]);
  }
}

absl::Status PathColumn::FindPaths(const TextPattern& pattern, bool part,
                                   const std::function<bool()>& cancelled, Roaring& out) const {
  std::string path;
  size_t compared = 0;
  for (size_t folder = 0; folder < folders_.size(); ++folder) {
    path = folders_[folder];
    if (path.empty() || path.back() != '/') path.push_back('/');
    const size_t prefix = path.size();
    for (size_t i = starts_[folder]; i < starts_[folder + 1]; ++i) {
      if (++compared % kPathsAtOnce == 0 && cancelled && cancelled()) {
        return absl::CancelledError("the search was stopped while paths were compared");
      }
      path.resize(prefix);
      const absl::string_view name = Name(i);
      path.append(name.data(), name.size());
      if (part ? pattern.MatchesPart(path) : pattern.Matches(path)) out.add(ordinals_[i]);
    }
  }
  return absl::OkStatus();
}

size_t PathColumn::memory_bytes() const {
  size_t bytes = starts_.capacity() * sizeof(size_t) + ordinals_.capacity() * sizeof(uint32_t) +
                 name_ends_.capacity() * sizeof(size_t) + names_.capacity() + present_.getSizeInBytes(false);
  for (const std::string& folder : folders_) bytes += sizeof(folder) + folder.capacity();
  return bytes;
}

void PathColumn::Builder::Add(absl::string_view folder, absl::string_view name, uint32_t ordinal) {
  const auto [entry, is_new] =
      folder_numbers_.try_emplace(std::string(folder), static_cast<uint32_t>(folder_numbers_.size()));
  if (is_new) bytes_ += folder.size() + sizeof(std::string);
  entries_.push_back({entry->second, ordinal, names_.size(), name.size()});
  names_.append(name.data(), name.size());
  bytes_ += name.size() + sizeof(Entry);
}

PathColumn PathColumn::Builder::Build() && {
  PathColumn column;
  std::vector<std::pair<std::string, uint32_t>> folders(folder_numbers_.begin(), folder_numbers_.end());
  folder_numbers_.clear();
  std::sort(folders.begin(), folders.end());
  std::vector<uint32_t> order(folders.size());
  for (size_t i = 0; i < folders.size(); ++i) order[folders[i].second] = static_cast<uint32_t>(i);
  for (Entry& entry : entries_) entry.folder = order[entry.folder];
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.folder != b.folder ? a.folder < b.folder : a.ordinal < b.ordinal;
  });
  column.ordinals_.reserve(entries_.size());
  column.name_ends_.reserve(entries_.size() + 1);
  column.names_.reserve(names_.size());
  column.folders_.reserve(folders.size());
  size_t next = 0;
  for (uint32_t folder = 0; folder < folders.size(); ++folder) {
    column.folders_.push_back(std::move(folders[folder].first));
    for (; next < entries_.size() && entries_[next].folder == folder; ++next) {
      const Entry& entry = entries_[next];
      column.ordinals_.push_back(entry.ordinal);
      column.names_.append(names_, entry.name_begin, entry.name_size);
      column.name_ends_.push_back(column.names_.size());
    }
    column.starts_.push_back(next);
  }
  column.present_.addMany(column.ordinals_.size(), column.ordinals_.data());
  column.present_.runOptimize();
  return column;
}

}  // namespace eidetic::searcher
