#include "searcher/id_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

constexpr size_t kFewestSlots = 64;

// Fibonacci hashing: the upper bits of the product are well mixed.
size_t FirstPlace(uint64_t id, size_t mask) { return (id * 0x9E3779B97F4A7C15ULL >> 20) & mask; }

}  // namespace

absl::Status IdTable::Reserve(size_t more) {
  const size_t wanted = size_ + more;
  const Slots* old = current_.load(std::memory_order_relaxed);
  // At most two thirds full.
  if (old != nullptr && wanted * 3 <= (old->mask + 1) * 2) return absl::OkStatus();
  auto slots = std::make_unique<Slots>();
  const size_t count = std::bit_ceil(std::max(kFewestSlots, wanted * 2));
  slots->mask = count - 1;
  EIDETIC_ASSIGN_OR_RETURN(slots->memory,
                           PageBuffer::Allocate(count * (sizeof(uint64_t) + sizeof(uint32_t))));
  slots->ids = slots->memory.as<std::atomic<uint64_t>>();
  slots->positions = reinterpret_cast<std::atomic<uint32_t>*>(slots->ids + count);
  for (size_t i = 0; i < count; ++i) slots->positions[i].store(kAbsent, std::memory_order_relaxed);
  if (old != nullptr) {
    for (size_t i = 0; i <= old->mask; ++i) {
      const uint32_t position = old->positions[i].load(std::memory_order_relaxed);
      if (position == kAbsent) continue;
      const uint64_t id = old->ids[i].load(std::memory_order_relaxed);
      const size_t place = Place(id, *slots);
      slots->ids[place].store(id, std::memory_order_relaxed);
      slots->positions[place].store(position, std::memory_order_relaxed);
    }
  }
  current_.store(slots.get(), std::memory_order_release);
  all_.push_back(std::move(slots));
  return absl::OkStatus();
}

size_t IdTable::Place(uint64_t id, const Slots& slots) {
  size_t place = FirstPlace(id, slots.mask);
  while (slots.positions[place].load(std::memory_order_relaxed) != kAbsent &&
         slots.ids[place].load(std::memory_order_relaxed) != id) {
    place = (place + 1) & slots.mask;
  }
  return place;
}

void IdTable::Set(uint64_t id, uint32_t position) {
  const Slots& slots = *current_.load(std::memory_order_relaxed);
  const size_t place = Place(id, slots);
  if (slots.positions[place].load(std::memory_order_relaxed) == kAbsent) {
    slots.ids[place].store(id, std::memory_order_relaxed);
    ++size_;
  }
  slots.positions[place].store(position, std::memory_order_release);
}

uint32_t IdTable::Find(uint64_t id) const {
  const Slots* slots = current_.load(std::memory_order_acquire);
  if (slots == nullptr) return kAbsent;
  // Not by Place: the writer may fill the slot where it ended.
  for (size_t place = FirstPlace(id, slots->mask);; place = (place + 1) & slots->mask) {
    const uint32_t position = slots->positions[place].load(std::memory_order_acquire);
    if (position == kAbsent || slots->ids[place].load(std::memory_order_relaxed) == id) return position;
  }
}

}  // namespace eidetic::searcher
