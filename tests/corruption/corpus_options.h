// What the corpora's programs have in common: options, folder, table, JSON, exit code.
#ifndef EIDETIC_TESTS_CORRUPTION_CORPUS_OPTIONS_H_
#define EIDETIC_TESTS_CORRUPTION_CORPUS_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/corruption/corpus_runner.h"

namespace eidetic::corruption {

struct CorpusOptions {
  uint64_t seed = 1;
  // Of a kind with many cases every n-th is run.
  uint64_t every = 1;
  size_t jobs = 1;
  std::string kind;
  std::string json_file;
  std::string directory;
  bool verbose = false;
};

// Parses the arguments, lets `run` work in a folder of its own and prints what
// came of it. Exit code 1 when a case did not come out as it must.
int RunCorpus(
    int argc, char** argv, const std::string& description,
    const std::function<void(const CorpusOptions&, const std::string& directory, CorpusRunner&)>& run);

// Leaves every n-th case of each kind, and at least ten; of one kind only when
// one was named.
void Thin(std::vector<DamageCase>& cases, const CorpusOptions& options);

// Runs `work` in a process of its own, so that this one may fork later.
void InChild(const std::function<void()>& work);

}  // namespace eidetic::corruption

#endif  // EIDETIC_TESTS_CORRUPTION_CORPUS_OPTIONS_H_
