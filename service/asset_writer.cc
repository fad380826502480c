#include "service/asset_writer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "indexer/asset_facts.h"
#include "proto/status_macros.h"
#include "service/portable_asset.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

storage::CaptionSet MakeCaptionSet(eidetic::v1::CaptionSource source) {
  return {.source = source, .captions = {}};
}

// What a picture's file says of itself, by source.
std::vector<storage::CaptionSet> FileCaptions(const indexer::AssetFacts& facts) {
  std::vector<storage::CaptionSet> sets = {MakeCaptionSet(eidetic::v1::CAPTION_SOURCE_XMP),
                                           MakeCaptionSet(eidetic::v1::CAPTION_SOURCE_IPTC),
                                           MakeCaptionSet(eidetic::v1::CAPTION_SOURCE_EXIF)};
  for (const auto& [source, text] : facts.captions) {
    for (storage::CaptionSet& set : sets) {
      if (set.source == source) set.captions.push_back({.text = text, .embedding = {}});
    }
  }
  return sets;
}

}  // namespace

size_t MemoryBytes(const PendingAsset& asset) {
  size_t bytes = sizeof(PendingAsset) + asset.put.embedding.size() * sizeof(float);
  if (asset.picture.has_value()) bytes += asset.picture->tensor.size() * sizeof(float);
  for (const storage::CaptionSet& set : asset.put.caption_sets) {
    for (const storage::CaptionInput& caption : set.captions) {
      bytes += caption.text.size() + caption.embedding.size() * sizeof(float);
    }
  }
  return bytes + asset.put.record.ByteSizeLong();
}

absl::Status AssetWriter::Start() {
  EIDETIC_RETURN_IF_ERROR(library_->CheckWritable());
  const absl::Status generation = model_->Generation().status();
  // Ready-made vectors need no model loaded when the library has its own already.
  return absl::IsNotFound(generation) ? model_->UseWithLibrary() : generation;
}

absl::StatusOr<PendingAsset> AssetWriter::Prepare(const eidetic::v1::PortableAsset& asset,
                                                  absl::string_view field) const {
  return PreparePortableAsset(asset, *model_, field);
}

absl::StatusOr<PendingAsset> AssetWriter::Prepare(const eidetic::v1::AssetInput& input,
                                                  absl::string_view field,
                                                  const Cancellation& cancellation) const {
  FieldViolations violations;
  CheckAssetInput(input, field, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());

  PendingAsset pending;
  if (input.has_embedding()) {
    EIDETIC_ASSIGN_OR_RETURN(const searcher::QueryVector given,
                             model_->ClientVector(input.embedding(), absl::StrCat(field, ".embedding")));
    pending.put.embedding.assign(given.values().begin(), given.values().end());
  }
  pending.put.asset_id =
      input.asset_id().empty() ? storage::ContentAssetId(AsByteSpan(input.image())) : input.asset_id();
  if (!input.image().empty()) {
    EIDETIC_RETURN_IF_ERROR(
        PreparePicture(input.image(), absl::StrCat(field, ".image"), cancellation, pending));
  } else if (const auto known = library_->GetAsset(pending.put.asset_id); known.ok()) {
    // A new vector says nothing about the file: its facts stay.
    pending.put.record = known->record;
    pending.put.record.clear_paths();
  } else if (!absl::IsNotFound(known.status())) {
    return known.status();
  }
  pending.put.record.set_put_by_client(true);
  *pending.put.record.mutable_attributes() = input.attributes();
  storage::CaptionSet& given =
      pending.put.caption_sets.emplace_back(MakeCaptionSet(eidetic::v1::CAPTION_SOURCE_CLIENT));
  for (const std::string& text : input.captions()) given.captions.push_back({.text = text, .embedding = {}});
  return pending;
}

absl::Status AssetWriter::PreparePicture(const std::string& image, absl::string_view field,
                                         const Cancellation& cancellation, PendingAsset& pending) const {
  encoder::ImageInfo info;
  if (pending.put.embedding.empty()) {
    absl::StatusOr<encoder::PreparedPicture> picture =
        model_->PreparePicture(AsByteSpan(image), cancellation);
    if (!picture.ok()) return AsFieldError(picture.status(), field);
    info = picture->info;
    pending.picture = *std::move(picture);
  } else {
    const absl::StatusOr<encoder::ImageInfo> header = model_->ReadPictureInfo(AsByteSpan(image));
    if (!header.ok()) return AsFieldError(header.status(), field);
    info = *header;
  }
  indexer::AssetFacts facts = indexer::ReadAssetFacts(AsByteSpan(image), info);
  pending.put.caption_sets = FileCaptions(facts);
  pending.put.record = std::move(facts.record);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<absl::Status>> AssetWriter::Write(std::vector<PendingAsset> assets,
                                                             const Cancellation& cancellation) const {
  const absl::ReaderMutexLock gate(write_gate_);
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, model_->Generation());
  EIDETIC_RETURN_IF_ERROR(EmbedPictures(assets, cancellation));
  EIDETIC_RETURN_IF_ERROR(EmbedCaptions(assets, cancellation));
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  std::vector<storage::Mutation> mutations;
  mutations.reserve(assets.size());
  std::vector<size_t> ends;
  for (PendingAsset& asset : assets) {
    const std::string asset_id = asset.put.asset_id;
    mutations.emplace_back(std::move(asset.put));
    for (storage::PathInput& path : asset.more_paths) {
      mutations.emplace_back(
          storage::AttachPath{.asset_id = asset_id, .path = std::move(path), .caption_sets = {}});
    }
    ends.push_back(mutations.size());
  }
  EIDETIC_ASSIGN_OR_RETURN(std::vector<absl::Status> results,
                           library_->Commit(std::move(mutations), generation->model_fingerprint()));
  // One status an asset: that of its put, else of the first path refused.
  std::vector<absl::Status> written;
  written.reserve(ends.size());
  size_t begin = 0;
  for (const size_t end : ends) {
    absl::Status& status = written.emplace_back();
    for (; begin < end; ++begin) status.Update(std::move(results[begin]));
  }
  return written;
}

absl::Status AssetWriter::EmbedPictures(std::vector<PendingAsset>& assets,
                                        const Cancellation& cancellation) const {
  std::vector<encoder::PreparedPicture> pictures;
  std::vector<size_t> owners;
  for (size_t i = 0; i < assets.size(); ++i) {
    if (!assets[i].picture.has_value()) continue;
    pictures.push_back(*std::move(assets[i].picture));
    owners.push_back(i);
  }
  if (pictures.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings,
                           model_->EmbedPictures(pictures, cancellation));
  for (size_t i = 0; i < owners.size(); ++i) {
    const std::span<const float> row = embeddings.row(i);
    assets[owners[i]].put.embedding.assign(row.begin(), row.end());
  }
  return absl::OkStatus();
}

absl::Status AssetWriter::EmbedCaptions(std::vector<PendingAsset>& assets,
                                        const Cancellation& cancellation) const {
  std::vector<std::string> texts;
  std::vector<storage::CaptionInput*> captions;
  for (PendingAsset& asset : assets) {
    for (storage::CaptionSet& set : asset.put.caption_sets) {
      for (storage::CaptionInput& caption : set.captions) {
        if (!caption.embedding.empty()) continue;
        texts.push_back(caption.text);
        captions.push_back(&caption);
      }
    }
  }
  if (texts.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings, model_->EmbedTexts(texts, cancellation));
  for (size_t i = 0; i < captions.size(); ++i) {
    const std::span<const float> row = embeddings.row(i);
    captions[i]->embedding.assign(row.begin(), row.end());
  }
  return absl::OkStatus();
}

}  // namespace eidetic::service
