#include "storage/write_ahead_log.h"

#include <rocksdb/file_checksum.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

namespace eidetic::storage {
namespace {

constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;
// Sequence number and count, in front of a batch.
constexpr size_t kBatchHeaderBytes = 12;
// RocksDB's numbers have 56 bits.
constexpr uint64_t kMaxNumber = (uint64_t{1} << 56) - 1;

enum RecordType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint64_t LittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

// CRC-32C of type and payload, masked as RocksDB stores it.
uint32_t MaskedCrc(absl::string_view bytes) {
  static const std::shared_ptr<rocksdb::FileChecksumGenFactory> factory =
      rocksdb::GetFileChecksumGenCrc32cFactory();
  const std::unique_ptr<rocksdb::FileChecksumGenerator> generator = factory->CreateFileChecksumGenerator({});
  generator->Update(bytes.data(), bytes.size());
  generator->Finalize();
  uint32_t crc = 0;  // given big-endian
  for (const char byte : generator->GetChecksum()) crc = crc << 8 | static_cast<uint8_t>(byte);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

class Scanner {
 public:
  uint64_t Scan(absl::string_view log) {
    for (size_t start = 0; start < log.size(); start += kBlockBytes)
      ScanBlock(log.substr(start, kBlockBytes));
    return last_number_;
  }

 private:
  void ScanBlock(absl::string_view block) {
    size_t position = 0;
    while (position + kHeaderBytes <= block.size()) {
      const absl::string_view rest = block.substr(position);
      const size_t length = LittleEndian(rest.substr(4, 2));
      const auto type = static_cast<uint8_t>(rest[6]);
      if (type >= kFull && type <= kLast && kHeaderBytes + length <= rest.size() &&
          MaskedCrc(rest.substr(6, 1 + length)) == LittleEndian(rest.substr(0, 4))) {
        TakeRecord(type, rest.substr(kHeaderBytes, length));
        position += kHeaderBytes + length;
        continue;
      }
      in_batch_ = false;
      // Its length is not to be trusted: the next record may begin anywhere but
      // in the midst of zeros.
      const size_t next = rest.find_first_not_of('\0');
      if (next == absl::string_view::npos) return;
      position += next < kHeaderBytes ? 1 : next - kHeaderBytes + 1;
    }
  }

  void TakeRecord(uint8_t type, absl::string_view payload) {
    if (type == kFull || type == kFirst) {
      header_.clear();
      in_batch_ = true;
    }
    if (!in_batch_) return;
    absl::StrAppend(&header_,
                    payload.substr(0, kBatchHeaderBytes - std::min(header_.size(), kBatchHeaderBytes)));
    if (type != kFull && type != kLast) return;
    in_batch_ = false;
    if (header_.size() < kBatchHeaderBytes) return;
    const uint64_t number = LittleEndian(absl::string_view(header_).substr(0, 8));
    const uint64_t count = LittleEndian(absl::string_view(header_).substr(8, 4));
    if (count > 0 && number <= kMaxNumber) {
      last_number_ = std::max(last_number_, number + count - 1);
    }
  }

  uint64_t last_number_ = 0;
  bool in_batch_ = false;
  std::string header_;
};

}  // namespace

uint64_t LastWholeWrite(absl::string_view log) { return Scanner().Scan(log); }

}  // namespace eidetic::storage
