// How much memory this process may have at all. Stateless; any thread.
#ifndef EIDETIC_ENCODER_PHYSICAL_MEMORY_H_
#define EIDETIC_ENCODER_PHYSICAL_MEMORY_H_

#include <cstdint>

namespace eidetic::encoder {

// Bytes of the machine's memory, or of the container's limit when that is less.
// Does not change while the process runs.
uint64_t PhysicalMemoryBytes();

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_PHYSICAL_MEMORY_H_
