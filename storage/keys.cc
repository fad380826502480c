#include "storage/keys.h"

namespace eidetic::storage {
namespace {

template <typename Number>
std::string BigEndian(Number number) {
  std::string key(sizeof(number), '\0');
  for (size_t i = 0; i < sizeof(number); ++i) {
    key[i] = static_cast<char>(number >> (8 * (sizeof(number) - 1 - i)));
  }
  return key;
}

template <typename Number>
std::optional<Number> ParseBigEndian(absl::string_view key) {
  if (key.size() != sizeof(Number)) return std::nullopt;
  Number number = 0;
  for (const char byte : key) number = static_cast<Number>((number << 8) | static_cast<uint8_t>(byte));
  return number;
}

}  // namespace

std::string OrdinalKey(Ordinal ordinal) { return BigEndian(ordinal); }
std::string CaptionKey(CaptionId id) { return BigEndian(id); }
std::string SequenceKey(uint64_t sequence) { return BigEndian(sequence); }

std::optional<Ordinal> ParseOrdinalKey(absl::string_view key) { return ParseBigEndian<Ordinal>(key); }
std::optional<uint64_t> ParseUint64Key(absl::string_view key) { return ParseBigEndian<uint64_t>(key); }

}  // namespace eidetic::storage
