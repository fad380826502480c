// Runs a part of a test where a folder may be read and not written, also for
// root, whom permissions do not stop: meanwhile the process is another user's.
#ifndef EIDETIC_TESTS_STORAGE_WITHOUT_WRITE_PERMISSION_H_
#define EIDETIC_TESTS_STORAGE_WITHOUT_WRITE_PERMISSION_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

namespace eidetic::storage {

// `check` uses EXPECT and ASSERT. The folder's parent is opened to others.
inline void WithoutWritePermission(const std::string& folder, const std::function<void()>& check) {
  namespace fs = std::filesystem;
  constexpr auto kReadFile = fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
  constexpr auto kReadFolder =
      kReadFile | fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  const auto set_permissions = [&folder](fs::perms folders) {
    fs::permissions(folder, folders);
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      fs::permissions(entry.path(), entry.is_directory() ? folders : kReadFile);
    }
  };
  const fs::path parent = fs::path(folder).parent_path();
  fs::permissions(parent, kReadFolder | fs::perms::owner_write);
  set_permissions(kReadFolder);
  const bool is_root = geteuid() == 0;
  constexpr uid_t kNobody = 65'534;
  // Root stays the saved user, so that there is a way back.
  ASSERT_EQ(is_root ? setresuid(kNobody, kNobody, 0) : 0, 0);
  check();
  ASSERT_EQ(is_root ? setresuid(0, 0, 0) : 0, 0);
  set_permissions(kReadFolder | fs::perms::owner_write);
}

}  // namespace eidetic::storage

#endif  // EIDETIC_TESTS_STORAGE_WITHOUT_WRITE_PERMISSION_H_
