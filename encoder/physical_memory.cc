#include "encoder/physical_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace eidetic::encoder {

uint64_t PhysicalMemoryBytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  uint64_t bytes = std::numeric_limits<uint64_t>::max();
  if (pages > 0 && page_bytes > 0) bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
  // Of a container (cgroup v2), as it sees its own group; "max" where there is no limit.
  uint64_t limit = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit && limit > 0) bytes = std::min(bytes, limit);
  return bytes;
}

}  // namespace eidetic::encoder
