#include "service/server_address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

TEST(ServerAddressTest, ReadsBothForms) {
  for (const char* text : {"127.0.0.1:50051", "localhost:0", "[::1]:50051", "unix:/run/eidetic/socket"}) {
    const auto address = ParseServerAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->Target(), text);
  }
}

TEST(ServerAddressTest, RefusesWhatIsNeither) {
  for (const std::string& text :
       {std::string(), std::string("50051"), std::string(":50051"), std::string("localhost"),
        std::string("localhost:"), std::string("localhost:http"), std::string("localhost:65536"),
        std::string("localhost:-1"), std::string("::1:50051"), std::string("[::1:50051"),
        std::string("unix:socket"), std::string("unix:"), "unix:/" + std::string(200, 'x')}) {
    EXPECT_EQ(ParseServerAddress(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ServerAddressTest, OtherMachinesAreShutOutUnlessToldOtherwise) {
  for (const char* text : {"127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1", "unix:/s"}) {
    EXPECT_TRUE(CheckReach(ParseServerAddress(text).value(), false).ok()) << text;
  }
  for (const char* text :
       {"0.0.0.0:1", "[::]:1", "192.168.1.2:1", "photos.example:1", "127.0.0.1.example:1"}) {
    const ServerAddress address = ParseServerAddress(text).value();
    EXPECT_EQ(CheckReach(address, false).code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_TRUE(CheckReach(address, true).ok()) << text;
  }
}

class SocketPathTest : public testing::Test {
 protected:
  int Bind(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  TemporaryFolder folder_;
};

TEST_F(SocketPathTest, MakesAFolderForItsOwnerAlone) {
  const std::string folder = folder_.path() + "/run";
  ASSERT_TRUE(PrepareSocketPath(folder + "/socket").ok());
  struct stat info {};
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(SocketPathTest, RefusesAFolderThatOthersMayWriteTo) {
  const std::string folder = folder_.path() + "/run";
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  ASSERT_EQ(chmod(folder.c_str(), 0777), 0);
  EXPECT_EQ(PrepareSocketPath(folder + "/socket").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SocketPathTest, RemovesAStaleSocketAndNothingElse) {
  const std::string path = folder_.path() + "/socket";
  const int fd = Bind(path);
  ASSERT_EQ(listen(fd, 1), 0);
  EXPECT_EQ(PrepareSocketPath(path).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::exists(path));
  close(fd);
  EXPECT_TRUE(PrepareSocketPath(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));

  std::ofstream(path) << "a file";
  EXPECT_EQ(PrepareSocketPath(path).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace eidetic::service
