// A vector to search for, and the model it is of: an engine compares it with
// vectors of that model alone and refuses it otherwise. A value.
//
//   QueryVector query(generation->model_fingerprint(), std::move(values));
//   ASSIGN_OR_RETURN(auto found, engine->SearchImages(query, {.limit = 10}));
#ifndef EIDETIC_SEARCHER_QUERY_VECTOR_H_
#define EIDETIC_SEARCHER_QUERY_VECTOR_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace eidetic::searcher {

class QueryVector {
 public:
  // `model_fingerprint` comes from whoever made the values: the encoder, or the
  // generation they are stored in.
  QueryVector(std::string model_fingerprint, std::vector<float> values)
      : model_fingerprint_(std::move(model_fingerprint)), values_(std::move(values)) {}

  const std::string& model_fingerprint() const { return model_fingerprint_; }
  std::span<const float> values() const { return values_; }

 private:
  std::string model_fingerprint_;
  std::vector<float> values_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_QUERY_VECTOR_H_
