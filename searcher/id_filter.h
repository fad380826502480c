// The ids that a search may return, as a set that a graph walk can ask and an
// exact scan can list. Owned by the caller of a search, which must keep it alive
// and unchanged until the search returns; const methods are called from any thread.
//
//   const IdList ids({3, 5, 8});
//   index->Search(query, {.limit = 10, .filter = &ids});
#ifndef EIDETIC_SEARCHER_ID_FILTER_H_
#define EIDETIC_SEARCHER_ID_FILTER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace eidetic::searcher {

class IdFilter {
 public:
  virtual ~IdFilter() = default;

  // Asked thousands of times a search: keep it to a few nanoseconds.
  virtual bool Contains(uint64_t id) const = 0;
  // How many ids there are, those included that the index does not hold.
  virtual uint64_t Cardinality() const = 0;
  // Every id once, in no fixed order, until `visit` returns false.
  virtual void ForEach(const std::function<bool(uint64_t id)>& visit) const = 0;
};

// A few ids, listed.
class IdList final : public IdFilter {
 public:
  explicit IdList(std::vector<uint64_t> ids) : ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  bool Contains(uint64_t id) const override { return std::binary_search(ids_.begin(), ids_.end(), id); }
  uint64_t Cardinality() const override { return ids_.size(); }
  void ForEach(const std::function<bool(uint64_t id)>& visit) const override {
    for (const uint64_t id : ids_) {
      if (!visit(id)) return;
    }
  }

 private:
  std::vector<uint64_t> ids_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ID_FILTER_H_
