#include "tests/corruption/damage.h"

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace eidetic::corruption {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Stop(const std::string& what, const std::string& path) {
  std::fprintf(stderr, "the corpus cannot go on: %s %s\n", what.c_str(), path.c_str());
  std::_Exit(4);
}

// Paths of sockets are short: bound by a relative name.
void MakeSocket(const std::string& path) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Stop("too long for a socket:", path);
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Stop("making a socket", path);
  }
  close(descriptor);
}

}  // namespace

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Stop("reading", path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) fs::remove_all(path, error);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  if (!file.flush()) Stop("writing", path);
}

const char* ReplacementName(Replacement replacement) {
  switch (replacement) {
    case Replacement::kNothing:
      return "missing file";
    case Replacement::kEmptyFile:
      return "empty file";
    case Replacement::kDirectory:
      return "directory in place of a file";
    case Replacement::kPipe:
      return "pipe in place of a file";
    case Replacement::kSocket:
      return "socket in place of a file";
    case Replacement::kDevice:
      return "device in place of a file";
    case Replacement::kLinkLoop:
      return "link to itself in place of a file";
    case Replacement::kLinkElsewhere:
      return "link in place of a file";
    case Replacement::kUnreadable:
      return "unreadable file";
    case Replacement::kText:
      return "text in place of a file";
  }
  return "";
}

void Replace(const std::string& path, Replacement replacement) {
  if (!fs::exists(fs::symlink_status(path))) Stop("nothing to replace:", path);
  if (replacement == Replacement::kUnreadable) {
    if (chmod(path.c_str(), 0) != 0) Stop("chmod", path);
    return;
  }
  if (replacement == Replacement::kLinkElsewhere) {
    fs::rename(path, path + ".elsewhere");
    fs::create_symlink(path + ".elsewhere", path);
    return;
  }
  fs::remove_all(path);
  switch (replacement) {
    case Replacement::kEmptyFile:
      return WriteBytes(path, "");
    case Replacement::kDirectory:
      fs::create_directory(path);
      return WriteBytes(path + "/inside", "x");
    case Replacement::kPipe:
      if (mkfifo(path.c_str(), 0644) != 0) Stop("making a pipe", path);
      return;
    case Replacement::kSocket:
      return MakeSocket(path);
    case Replacement::kDevice:
      return fs::create_symlink("/dev/zero", path);
    case Replacement::kLinkLoop:
      return fs::create_symlink(path, path);
    case Replacement::kText:
      return WriteBytes(path, "some text that is none of ours\n");
    default:
      return;
  }
}

void Truncate(const std::string& path, uint64_t size) {
  if (size >= fs::file_size(path)) Stop("nothing to cut off from", path);
  fs::resize_file(path, size);
}

void Zero(const std::string& path, uint64_t from, uint64_t to) {
  std::string bytes = ReadBytes(path);
  if (to == 0) to = bytes.size();
  if (from >= to || to > bytes.size()) Stop("nothing to zero in", path);
  const std::string before = bytes;
  bytes.replace(from, to - from, to - from, '\0');
  // Zeros already: then a bit, so that there is damage.
  if (bytes == before) bytes[from] = 1;
  WriteBytes(path, bytes);
}

void FlipBit(const std::string& path, uint64_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  if (bit / 8 >= fs::file_size(path) || !file) Stop("no such bit in", path);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  char byte = 0;
  file.get(byte);
  byte = static_cast<char>(byte ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
  if (!file.flush()) Stop("writing", path);
}

void Swap(const std::string& a, const std::string& b) {
  const std::string aside = a + ".aside";
  fs::rename(a, aside);
  fs::rename(b, a);
  fs::rename(aside, b);
}

void CopyFolder(const std::string& from, const std::string& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path target = fs::path(to) / entry.path().filename();
    if (entry.is_directory()) {
      CopyFolder(entry.path(), target);
    } else if (entry.is_regular_file()) {
      fs::copy_file(entry.path(), target, fs::copy_options::overwrite_existing);
    }
  }
}

void DropRootsReading() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return;
  for (const int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH}) {
    sets[0].effective &= ~(1U << capability);
    sets[0].permitted &= ~(1U << capability);
  }
  syscall(SYS_capset, &header, sets);
}

}  // namespace eidetic::corruption
