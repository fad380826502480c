// All that a library's public interface tells, as text that is the same for the
// same content: for comparing a stored library with what it held once.
#ifndef EIDETIC_TESTS_STORAGE_LIBRARY_DUMP_H_
#define EIDETIC_TESTS_STORAGE_LIBRARY_DUMP_H_

#include <google/protobuf/text_format.h>

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/status_macros.h"
#include "storage/generation.h"
#include "storage/library.h"

namespace eidetic::storage {

inline std::string DumpRecord(const google::protobuf::Message& record) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(record, &text);
  return text;
}

// To the last bit.
inline std::string DumpVector(std::span<const float> values) {
  std::string text;
  for (const float value : values) absl::StrAppendFormat(&text, " %a", value);
  return text;
}

inline absl::StatusOr<std::string> DumpLibrary(const Library& library) {
  std::string text;
  EIDETIC_ASSIGN_OR_RETURN(const v1::GenerationRecord generation, library.ActiveGeneration());
  EIDETIC_ASSIGN_OR_RETURN(const LibraryCounts counts, library.Counts());
  absl::StrAppend(&text, "generation ", DumpRecord(generation), "\ncounts ", counts.assets, " assets, ",
                  counts.paths, " paths, ", counts.captions, " captions\n");
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<Asset> assets, library.ListAssets(std::nullopt, 1'000'000));
  for (const Asset& asset : assets) {
    const Ordinal ordinal = asset.record.ordinal();
    absl::StrAppend(&text, "asset ", asset.asset_id, " ", DumpRecord(asset.record), "\n");
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> embedding, library.GetEmbedding(ordinal));
    absl::StrAppend(&text, "  embedding", DumpVector(embedding), "\n");
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<CaptionEntry> captions, library.GetCaptions(ordinal));
    for (const CaptionEntry& caption : captions) {
      absl::StrAppend(&text, "  caption ", caption.id, " ", DumpRecord(caption.record), "\n");
    }
    EIDETIC_ASSIGN_OR_RETURN(const auto vectors, library.GetCaptionEmbeddings(ordinal));
    for (const auto& [id, vector] : vectors) {
      absl::StrAppend(&text, "  caption embedding ", id, DumpVector(vector), "\n");
    }
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<GenerationStatus> generations, library.ListGenerations());
  for (const GenerationStatus& status : generations) {
    if (status.record.number() == generation.number()) continue;
    absl::StrAppend(&text, "other generation ", DumpRecord(status.record), "\n");
    EIDETIC_ASSIGN_OR_RETURN(const auto other, library.OpenGeneration(status.record.number()));
    const std::unique_ptr<ReadView> view = other->NewView();
    EIDETIC_RETURN_IF_ERROR(view->ForEachEmbedding([&](Ordinal ordinal, std::span<const float> vector) {
      absl::StrAppend(&text, "  embedding ", ordinal, DumpVector(vector), "\n");
      return absl::OkStatus();
    }));
    EIDETIC_RETURN_IF_ERROR(view->ForEachCaptionEmbedding([&](CaptionId id, std::span<const float> vector) {
      absl::StrAppend(&text, "  caption embedding ", id, DumpVector(vector), "\n");
      return absl::OkStatus();
    }));
  }
  EIDETIC_RETURN_IF_ERROR(library.ForEachPath("", [&](absl::string_view path, const v1::PathRecord& record) {
    absl::StrAppend(&text, "path ", absl::CHexEscape(path), " ", DumpRecord(record), "\n");
    return absl::OkStatus();
  }));
  // The first change that is not forgotten.
  uint64_t sequence = 0;
  while (absl::IsOutOfRange(library.ReadChanges(sequence, 1).status())) ++sequence;
  absl::StrAppend(&text, "changes after ", sequence, " of ", library.last_sequence(), "\n");
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<Change> changes, library.ReadChanges(sequence, 1'000'000));
  for (const Change& change : changes) {
    absl::StrAppend(&text, "change ", change.sequence, " ", DumpRecord(change.record), "\n");
  }
  return text;
}

}  // namespace eidetic::storage

#endif  // EIDETIC_TESTS_STORAGE_LIBRARY_DUMP_H_
