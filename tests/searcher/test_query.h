// Queries of the model that test libraries use.
#ifndef EIDETIC_TESTS_SEARCHER_TEST_QUERY_H_
#define EIDETIC_TESTS_SEARCHER_TEST_QUERY_H_

#include <utility>
#include <vector>

#include "searcher/query_vector.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {

inline QueryVector OfTestModel(std::vector<float> values) {
  return {storage::TestModel().model_fingerprint(), std::move(values)};
}

}  // namespace eidetic::searcher

#endif  // EIDETIC_TESTS_SEARCHER_TEST_QUERY_H_
