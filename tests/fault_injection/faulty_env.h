// A RocksDB Env whose files are on a SimulatedDisk, which it borrows. RocksDB's
// info log (LOG*) and lock file are on the real disk: they are not the truth.
//
//   const auto env = NewFaultyEnv(&disk);
//   Library::Open(directory, {.env = env.get()});
#ifndef EIDETIC_TESTS_FAULT_INJECTION_FAULTY_ENV_H_
#define EIDETIC_TESTS_FAULT_INJECTION_FAULTY_ENV_H_

#include <rocksdb/env.h>

#include <memory>

#include "tests/fault_injection/simulated_disk.h"

namespace eidetic::fault_injection {

std::unique_ptr<rocksdb::Env> NewFaultyEnv(SimulatedDisk* disk);

}  // namespace eidetic::fault_injection

#endif  // EIDETIC_TESTS_FAULT_INJECTION_FAULTY_ENV_H_
