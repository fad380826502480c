#!/usr/bin/env python3
"""Eidetic's vector index beside FAISS, hnswlib and USearch: same vectors, same cores, equal recall, interleaved.

    python3 bench/vector_search.py --count 200000 --dimension 512 --recall 0.99

Runs build/bench/vector_search, which makes the vectors, compares Eidetic with Debian's FAISS and writes the vectors as
.npy, and puts rounds of the peers that can be imported (faiss, hnswlib, usearch; NumPy is needed) between its rounds.
One searching thread; each contender at the least effort that reaches the recall; medians, in queries a processor second.
JSON, one object a line.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

BENCH = pathlib.Path(__file__).resolve().parent
LIMIT = 10
LINKS = 32


class Hnswlib:
    name = "hnswlib"

    def __init__(self, base, ef_construction, threads):
        import hnswlib
        self.index = hnswlib.Index("ip", base.shape[1])
        self.index.init_index(len(base), M=LINKS, ef_construction=ef_construction)
        self.index.add_items(base, num_threads=threads)

    def search(self, query, effort):
        self.index.set_ef(effort)
        return self.index.knn_query(query, k=LIMIT, num_threads=1)[0][0]


class Usearch:
    name = "usearch_bf16"

    def __init__(self, base, ef_construction, threads):
        from usearch.index import Index
        self.index = Index(ndim=base.shape[1], metric="ip", dtype="bf16", connectivity=LINKS,
                           expansion_add=ef_construction)
        self.index.add(numpy.arange(len(base)), base, threads=threads)

    def search(self, query, effort):
        self.index.expansion_search = effort
        return self.index.search(query, LIMIT, threads=1).keys


class FaissWheel:
    name = "faiss_wheel_hnsw_flat"

    def __init__(self, base, ef_construction, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        self.index = faiss.IndexHNSWFlat(base.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = ef_construction
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def search(self, query, effort):
        self.index.hnsw.efSearch = effort
        return self.index.search(query[None], LIMIT)[1][0]


def least_effort(peer, queries, truth, recall):
    effort = 16
    while True:
        right = sum(len(set(map(int, peer.search(query, effort))) & wanted) for query, wanted in zip(queries, truth))
        if right / (LIMIT * len(queries)) >= recall or effort >= 4096:
            return effort, right / (LIMIT * len(queries))
        effort += max(4, effort // 8)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default=str(BENCH.parent / "build" / "bench" / "vector_search"))
    arguments.add_argument("--recall", type=float, default=0.99)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--ef-construction", type=int, default=80)
    given, others = arguments.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        driver = subprocess.Popen(
            [given.program, "--export", folder, "--rounds-on-stdin", "--recall", str(given.recall), "--threads",
             str(given.threads), "--ef-construction", str(given.ef_construction), *others],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in driver.stdout:
            if json.loads(line)["event"] == "ready":
                break
            print(line, end="", flush=True)
        else:
            sys.exit(driver.wait() or 1)
        base, queries = (numpy.load(os.path.join(folder, name)) for name in ("base.npy", "queries.npy"))
        truth = [set(map(int, row)) for row in numpy.load(os.path.join(folder, "truth.npy"))]
        peers = []
        for kind in (FaissWheel, Hnswlib, Usearch):
            began = time.process_time()
            try:
                peer = kind(base, given.ef_construction, given.threads)
            except ImportError as error:
                print(json.dumps({"event": "absent", "contender": kind.name, "why": str(error)}), flush=True)
                continue
            print(json.dumps({"event": "built", "contender": kind.name, "seconds": time.process_time() - began,
                              "threads": given.threads}), flush=True)
            effort, reached = least_effort(peer, queries, truth, given.recall)
            print(json.dumps({"event": "effort", "contender": kind.name, "ef": effort, "recall": reached}), flush=True)
            peers.append((peer, effort, []))
        for _ in range(given.rounds):
            driver.stdin.write("round\n")
            driver.stdin.flush()
            print(driver.stdout.readline(), end="", flush=True)
            for peer, effort, rates in peers:
                began = time.process_time()
                for query in queries:
                    peer.search(query, effort)
                rates.append(len(queries) / (time.process_time() - began))
        driver.stdin.close()
        for line in driver.stdout:
            print(line, end="", flush=True)
        for peer, _, rates in peers:
            print(json.dumps({"event": "median", "contender": peer.name, "qps": statistics.median(rates),
                              "lowest": min(rates), "highest": max(rates)}), flush=True)
        sys.exit(driver.wait())


if __name__ == "__main__":
    main()
