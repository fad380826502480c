// What people search for in general: short queries about subjects of every kind,
// few of which any one library shows. How well they match it is what a match by
// chance looks like there (docs/confidence.md). Stateless; any thread.
#ifndef EIDETIC_SEARCHER_BACKGROUND_QUERIES_H_
#define EIDETIC_SEARCHER_BACKGROUND_QUERIES_H_

#include <span>

namespace eidetic::searcher {

// English; the order is part of the calibration's format: a change of the list
// means a new kCalibrationVersion.
std::span<const char* const> BackgroundQueries();

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_BACKGROUND_QUERIES_H_
