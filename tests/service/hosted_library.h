// A library in a folder of its own, hosted for one test, with stubs that call
// it. Not for several threads, except the stubs.
#ifndef EIDETIC_TESTS_SERVICE_HOSTED_LIBRARY_H_
#define EIDETIC_TESTS_SERVICE_HOSTED_LIBRARY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eidetic/v1/encoder_service.grpc.pb.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "eidetic/v1/search_service.grpc.pb.h"
#include "service/library_host.h"

namespace eidetic::service {

// A folder that goes with its object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Small real model of the encoder's tests.
std::string TestModelFolder();

class HostedLibrary {
 public:
  // Over TCP on a free port when `over_tcp`, else in process.
  explicit HostedLibrary(bool over_tcp = false, const ServiceLimits& limits = {});

  LibraryHostOptions Options() const;
  // Closes and opens again.
  void Restart();
  // Through the server's own address.
  std::shared_ptr<grpc::Channel> TcpChannel() const;

  const std::string& directory() const { return directory_; }
  LibraryHost& host() { return *host_; }
  eidetic::v1::SearchService::Stub& search() { return *search_; }
  eidetic::v1::LibraryService::Stub& library() { return *library_; }
  eidetic::v1::EncoderService::Stub& encoder() { return *encoder_; }

  // Dimension of the test model.
  int dimension();
  // PutAsset with a ready-made vector; fails the test on an error.
  void PutVector(const std::string& asset_id, const std::vector<float>& vector,
                 const std::vector<std::string>& captions = {});
  // Waits until searches see everything that was put.
  void WaitForIndex();

 private:
  void Connect();

  TemporaryFolder folder_;
  std::string directory_;
  bool over_tcp_;
  ServiceLimits limits_;
  std::unique_ptr<LibraryHost> host_;
  std::unique_ptr<eidetic::v1::SearchService::Stub> search_;
  std::unique_ptr<eidetic::v1::LibraryService::Stub> library_;
  std::unique_ptr<eidetic::v1::EncoderService::Stub> encoder_;
};

// A reproducible unit vector.
std::vector<float> RandomUnitVector(int dimension, uint64_t seed);
// 1 at `axis`, else 0.
std::vector<float> AxisVector(int dimension, int axis);

// Bytes of a picture (PNM) with a pattern of its own per seed.
std::string MakePicture(int width, int height, uint32_t seed);

// A client's context that gives up after `seconds`, so that no test hangs.
std::unique_ptr<grpc::ClientContext> NewContext(int seconds = 30);

}  // namespace eidetic::service

#endif  // EIDETIC_TESTS_SERVICE_HOSTED_LIBRARY_H_
