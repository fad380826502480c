// Memory for large arrays that are read at random: from the system in whole
// pages, zeroed, in 2 MB pages where it gives them (madvise), so that a walk over
// a graph does not miss the TLB at each step. Owns its memory; moved, not copied.
//
//   ASSIGN_OR_RETURN(PageBuffer codes, PageBuffer::Allocate(bytes));
#ifndef EIDETIC_SEARCHER_HUGE_PAGES_H_
#define EIDETIC_SEARCHER_HUGE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::searcher {

class PageBuffer {
 public:
  enum class Pages {
    kHuge,   // 2 MB at a time once touched: for what will be filled
    kSmall,  // 4 KB at a time: for what may stay empty
  };

  // kResourceExhausted: the system has no memory. Pages are taken when touched.
  static absl::StatusOr<PageBuffer> Allocate(size_t bytes, Pages pages = Pages::kHuge);

  PageBuffer() = default;
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PageBuffer& operator=(PageBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  // At least 64-byte aligned; nullptr when empty.
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const uint8_t> span() const { return {data_, size_}; }
  absl::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_HUGE_PAGES_H_
