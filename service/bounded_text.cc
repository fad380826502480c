#include "service/bounded_text.h"

#include "storage/library.h"

namespace eidetic::service {

std::string BoundedText(absl::string_view text, size_t max_bytes) {
  // What is cut off need not be made printable first.
  std::string printable = storage::DisplayPath(text.substr(0, max_bytes + 4));
  if (printable.size() <= max_bytes) return printable;
  size_t cut = max_bytes;
  const auto continues = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; };
  while (cut > 0 && continues(printable[cut])) --cut;
  printable.resize(cut);
  return printable + "…";
}

}  // namespace eidetic::service
