// recall@k of a dual encoder on captioned pictures, both ways. Stateless.
//
// Text→image: the share of captions whose own picture is among the k nearest
// pictures. Image→text: the share of pictures for which any of their captions is
// among the k nearest captions (Hodosh et al., JAIR 2013). Equal scores rank by
// position.
#ifndef EIDETIC_CLI_RECALL_H_
#define EIDETIC_CLI_RECALL_H_

#include <array>
#include <cstddef>
#include <span>

#include "encoder/dual_encoder.h"

namespace eidetic::cli {

inline constexpr std::array<size_t, 3> kRecallCutoffs = {1, 5, 10};

struct Recall {
  std::array<double, kRecallCutoffs.size()> text_to_image{};
  std::array<double, kRecallCutoffs.size()> image_to_text{};
};

// `picture_of[c]` is the row in `pictures` that caption row c describes.
Recall MeasureRecall(const encoder::Embeddings& pictures, const encoder::Embeddings& captions,
                     std::span<const size_t> picture_of);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_RECALL_H_
