// Ways to damage a file, for the corpora. A function that finds nothing to damage
// aborts: a case that does nothing proves nothing.
#ifndef EIDETIC_TESTS_CORRUPTION_DAMAGE_H_
#define EIDETIC_TESTS_CORRUPTION_DAMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace eidetic::corruption {

std::string ReadBytes(const std::string& path);
// Whatever stood at `path` goes first.
void WriteBytes(const std::string& path, const std::string& bytes);

// What may stand in the place of a file.
enum class Replacement {
  kNothing,
  kEmptyFile,
  kDirectory,
  kPipe,
  kSocket,
  kDevice,         // a link to /dev/zero
  kLinkLoop,       // a link to itself
  kLinkElsewhere,  // a link to the file, moved away
  kUnreadable,     // the file, without permissions
  kText,           // some text
};
inline constexpr Replacement kReplacements[] = {
    Replacement::kNothing,    Replacement::kEmptyFile, Replacement::kDirectory, Replacement::kPipe,
    Replacement::kSocket,     Replacement::kDevice,    Replacement::kLinkLoop,  Replacement::kLinkElsewhere,
    Replacement::kUnreadable, Replacement::kText};
const char* ReplacementName(Replacement replacement);
void Replace(const std::string& path, Replacement replacement);

void Truncate(const std::string& path, uint64_t size);
// Zeroes [from, to); to 0: up to the end.
void Zero(const std::string& path, uint64_t from, uint64_t to = 0);
// `bit` counts from the file's start.
void FlipBit(const std::string& path, uint64_t bit);
void Swap(const std::string& a, const std::string& b);

// Makes `to` a copy of `from`, hard links and special files left out.
void CopyFolder(const std::string& from, const std::string& to);

// Root reads everything: takes that from this process, so that a file without
// permissions is unreadable. No effect for others.
void DropRootsReading();

}  // namespace eidetic::corruption

#endif  // EIDETIC_TESTS_CORRUPTION_DAMAGE_H_
