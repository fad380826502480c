// The paths of many photos, by folder: a folder is compared once for all its
// photos. Immutable once made; any thread.
//
//   PathColumn::Builder builder;
//   builder.Add("/photos/italy", "img_1.jpg", ordinal);
//   const PathColumn column = std::move(builder).Build();
//   Roaring found;
//   column.FindFolders(TextPattern::ForText("italy"), /*part=*/true, found);
#ifndef EIDETIC_SEARCHER_PATH_COLUMN_H_
#define EIDETIC_SEARCHER_PATH_COLUMN_H_

#include <roaring/roaring.hh>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "searcher/text_pattern.h"

namespace eidetic::searcher {

class PathColumn {
 public:
  class Builder;

  // All ordinals that have a path.
  const Roaring& present() const { return present_; }

  // Adds the photos in a folder that matches: with `part`, anywhere in the
  // folder's path; otherwise its whole path or, when the pattern has no "/", the
  // name of one folder of the path.
  void FindFolders(const TextPattern& pattern, bool part, Roaring& out) const;
  // Adds those with a path that matches. kCancelled.
  absl::Status FindPaths(const TextPattern& pattern, bool part, const std::function<bool()>& cancelled,
                         Roaring& out) const;

  // `visit(folder, name, ordinal)` for each path.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t folder = 0; folder < folders_.size(); ++folder) {
      for (size_t i = starts_[folder]; i < starts_[folder + 1]; ++i)
        visit(folders_[folder], Name(i), ordinals_[i]);
    }
  }

  // Memory held, roughly.
  size_t memory_bytes() const;

 private:
  absl::string_view Name(size_t index) const {
    return absl::string_view(names_).substr(name_ends_[index], name_ends_[index + 1] - name_ends_[index]);
  }

  std::vector<std::string> folders_;
  // Where the paths of each folder begin, and the end of the last.
  std::vector<size_t> starts_ = {0};
  // By path: ordinal, and the end of its name in names_ (one entry more, in front).
  std::vector<uint32_t> ordinals_;
  std::vector<size_t> name_ends_ = {0};
  std::string names_;
  Roaring present_;
};

class PathColumn::Builder {
 public:
  void Add(absl::string_view folder, absl::string_view name, uint32_t ordinal);
  // Memory of what was added, roughly.
  size_t memory_bytes() const { return bytes_; }
  PathColumn Build() &&;

 private:
  struct Entry {
    uint32_t folder = 0;
    uint32_t ordinal = 0;
    size_t name_begin = 0;
    size_t name_size = 0;
  };

  absl::flat_hash_map<std::string, uint32_t> folder_numbers_;
  std::vector<Entry> entries_;
  std::string names_;
  size_t bytes_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_PATH_COLUMN_H_
