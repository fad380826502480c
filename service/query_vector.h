// The terms of a query → the one unit vector of the session's model that is
// searched for. Stateless; any thread.
#ifndef EIDETIC_SERVICE_QUERY_VECTOR_H_
#define EIDETIC_SERVICE_QUERY_VECTOR_H_

#include <google/protobuf/repeated_field.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eidetic/v1/search_service.pb.h"
#include "searcher/query_vector.h"
#include "service/cancellation.h"
#include "service/model_session.h"
#include "storage/library.h"

namespace eidetic::service {

// Unit vector of one term that passed request_validation.h; its weight is not
// applied. `field` is the term's path in the request. Errors: kInvalidArgument
// with the field (bad picture, wrong dimension), kNotFound (unknown asset), the
// model's.
absl::StatusOr<searcher::QueryVector> EmbedTerm(const eidetic::v1::QueryTerm& term, absl::string_view field,
                                                const storage::Library& library, ModelSession& model,
                                                const Cancellation& cancellation);

// The terms' unit vectors added by weight, made unit length. Also
// kInvalidArgument when they cancel each other out.
absl::StatusOr<searcher::QueryVector> EmbedQuery(
    const google::protobuf::RepeatedPtrField<eidetic::v1::QueryTerm>& terms, const storage::Library& library,
    ModelSession& model, const Cancellation& cancellation);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_QUERY_VECTOR_H_
