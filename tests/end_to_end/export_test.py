"""export and import: a library that went through files answers as before."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import time
import unittest

from program import ProgramTest


class ExportTest(ProgramTest):
    def setUp(self):
        super().setUp()
        pictures = self.copy_small_pictures()
        for number, picture in enumerate(pictures[:6]):
            (self.photos / f"{picture.name}.txt").write_text(f"a caption ☀ number {number}\nand another", "utf-8")
        shutil.copyfile(pictures[0], self.photos / "a copy.jpg")
        self.run_program("index", self.photos)

    def answers(self, library=None):
        """What a user sees: hits with scores, a filter, captions."""
        hits = self.run_ok("search", "a photo of colours", "--limit", "1000", "--json", library=library).json_lines
        filtered = self.run_ok("search", "a photo", "--filter", "width >= 8", "--limit", "1000", "--json",
                               library=library).json_lines
        captions = self.run_ok("caption", self.photos / "a copy.jpg", "--library-only", "--limit", "20", "--json",
                               library=library).json_lines
        return hits, filtered, captions

    def assert_same(self, before, after):
        for old, new in zip(before, after):
            self.assertEqual(len(old), len(new))
            for one, other in zip(old, new):
                for hit in (one, other):
                    hit["score"] = round(hit["score"], 5)
                    hit.pop("confidence", None)
                self.assertEqual(one, other)

    def test_through_both_formats(self):
        before = self.answers()
        self.assertGreater(len(before[0]), 5)
        self.assertGreater(len(before[1]), 0)
        self.assertGreater(len(before[2]), 5)
        for name, options in (("clip", []), ("lines", ["--format", "ndjson"]), ("parts", ["--part-size", "3"])):
            out = self.folder / f"out {name}"
            exported = self.run_ok("export", out, "--json", *options).json
            self.assertEqual(exported["exported"], self.run_ok("status", "--json").json["assets"])
            library = self.folder / f"library {name}"
            imported = self.run_ok("import", out, "--json", library=library).json
            self.assertEqual((imported["imported"], imported["failed"]), (exported["exported"], 0))
            self.assert_same(self.answers(), self.answers(library))
            self.run_ok("verify", library=library)
            # The indexer knows the files by their times.
            again = self.run_program("index", self.photos, "--json", library=library).json
            self.assertEqual(again["indexed"], 0, again)

    def test_through_a_server(self):
        with self.serving():
            self.run_ok("export", self.folder / "out")
            result = self.run_ok("import", self.folder / "out", "--json")
            self.assertEqual(result.json["failed"], 0)
        self.run_ok("verify")

    def test_half_and_no_embeddings(self):
        self.run_ok("export", self.folder / "half", "--half")
        self.run_ok("import", self.folder / "half", library=self.folder / "new")
        self.run_ok("export", self.folder / "records", "--format", "ndjson", "--no-embeddings")
        line = json.loads((self.folder / "records" / "assets_0.ndjson").read_text("utf-8").splitlines()[0])
        self.assertNotIn("embedding", line)
        # Records for assets that are there.
        self.assertEqual(self.run_ok("import", self.folder / "records", "--json").json["failed"], 0)
        self.assertEqual(self.run_program("export", self.folder / "x", "--no-embeddings").code, 2)
        self.assertEqual(self.run_program("export", self.folder / "x", "--format", "ndjson", "--half").code, 2)

    def test_the_model_must_be_the_same(self):
        out = self.folder / "out"
        self.run_ok("export", out)
        manifest = json.loads((out / "eidetic_export.json").read_text("utf-8"))
        assets = self.run_ok("status", "--json").json["assets"]

        def refused(message, **changes):
            (out / "eidetic_export.json").write_text(json.dumps({**manifest, **changes}), "utf-8")
            result = self.run_program("import", out)
            self.assertEqual(result.code, 1, result.out)
            self.assertIn(message, result.err)
            self.assertEqual(self.run_ok("status", "--json").json["assets"], assets)

        refused("fingerprint", model_fingerprint="0" * 64)
        refused("columns", dimension=manifest["dimension"] + 1)
        refused("a part is missing", asset_count=str(assets + 1))
        refused("--same-model", model_fingerprint="")
        self.run_ok("import", out, "--same-model")

    def test_bad_rows_are_skipped_and_listed(self):
        lines = self.folder / "in.ndjson"
        self.run_ok("export", self.folder / "out", "--format", "ndjson")
        good = (self.folder / "out" / "assets_0.ndjson").read_text("utf-8").splitlines()
        bad = json.loads(good[0])
        bad["asset_id"] = "zeros"
        bad["embedding"]["values"] = [0] * len(bad["embedding"]["values"])
        lines.write_text("\n".join([good[0], "{oops", json.dumps(bad), '{"asset_id":"../../etc"}', good[1]]), "utf-8")
        result = self.run_program("import", lines, "--same-model", "--json", library=self.folder / "new")
        self.assertEqual(result.code, 3, result.err)
        self.assertEqual(result.json["imported"], 2)
        self.assertEqual(result.json["failed"], 3)
        self.assertIn("in.ndjson line 2", result.json["failures"][0]["place"])

    def test_targets_and_kills(self):
        self.run_ok("export", self.folder / "out")
        for target in (self.folder / "out", self.photos):
            result = self.run_program("export", target)
            self.assertEqual(result.code, 1)
            self.assertIn("new or empty", result.err)
        seed = int(os.environ.get("EIDETIC_SEED", "1"))
        print(f"seed {seed}", flush=True)
        moments = random.Random(seed)
        for _ in range(5):
            process = self.start("export", self.folder / "killed")
            time.sleep(moments.uniform(0.05, 0.6))
            process.kill()
            process.communicate()
            killed = self.folder / "killed"
            if killed.exists():
                self.run_ok("import", killed, library=self.folder / "from killed")
                shutil.rmtree(killed)
        self.run_ok("export", self.folder / "killed")
        self.assertFalse((self.folder / "killed.partial").exists())

    def test_without_duckdb(self):
        environment = dict(os.environ, EIDETIC_DUCKDB=str(pathlib.Path("/nowhere/libduckdb.so")))
        # Named and not there: the one of the build is taken, and all is well.
        subprocess.run(self.command("export", self.folder / "out"), check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    unittest.main()
