#include "searcher/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

absl::StatusOr<PageBuffer> PageBuffer::Allocate(size_t bytes, Pages pages) {
  PageBuffer buffer;
  if (bytes == 0) return buffer;
  const bool huge = pages == Pages::kHuge && bytes >= kHugePage;
  // Room to begin at a huge page; what is over at both ends is given back.
  const size_t mapped = huge ? bytes + kHugePage : bytes;
  void* const memory =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes of vectors"));
  }
  buffer.data_ = static_cast<uint8_t*>(memory);
  buffer.size_ = bytes;
  if (!huge) return buffer;
  const size_t over = (kHugePage - reinterpret_cast<uintptr_t>(memory) % kHugePage) % kHugePage;
  if (over > 0) munmap(memory, over);
  buffer.data_ += over;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t kept = (bytes + page - 1) / page * page;
  // A mapping of part pages ends at a whole one.
  if (mapped - over > kept) munmap(buffer.data_ + kept, mapped - over - kept);
#ifdef MADV_HUGEPAGE
  // Advice: a system without huge pages goes on with small ones.
  static_cast<void>(madvise(buffer.data_, bytes, MADV_HUGEPAGE));
#endif
  return buffer;
}

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace eidetic::searcher
