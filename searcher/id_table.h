// id → position of its newest row. One writer at a time; any number of readers
// beside it, which never wait: a slot is filled once and then only its position
// changes, and a larger table replaces the old one with one store. Old tables are
// kept until the end, since a reader may still be in one.
//
//   IdTable table;
//   RETURN_IF_ERROR(table.Reserve(1));
//   table.Set(7, 0);
//   table.Find(7);  // 0
#ifndef EIDETIC_SEARCHER_ID_TABLE_H_
#define EIDETIC_SEARCHER_ID_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "searcher/huge_pages.h"

namespace eidetic::searcher {

class IdTable {
 public:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  // Makes room for `more` ids that are not there yet. kResourceExhausted.
  absl::Status Reserve(size_t more);
  // There must be room for an id that is new.
  void Set(uint64_t id, uint32_t position);
  // kAbsent when it was never set.
  uint32_t Find(uint64_t id) const;
  // Ids ever set.
  size_t size() const { return size_; }

 private:
  struct Slots {
    size_t mask = 0;
    PageBuffer memory;
    std::atomic<uint64_t>* ids = nullptr;
    std::atomic<uint32_t>* positions = nullptr;  // kAbsent: free
  };
  // Where the writer finds or puts `id`.
  static size_t Place(uint64_t id, const Slots& slots);

  std::atomic<const Slots*> current_ = nullptr;
  std::vector<std::unique_ptr<Slots>> all_;
  size_t size_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ID_TABLE_H_
