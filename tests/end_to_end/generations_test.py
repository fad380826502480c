"""Moving a library to another model: filling, kills in the middle, switching, going back."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from program import SOURCE_DIR, ProgramTest, wait_until

TINY_MODEL = SOURCE_DIR / "tests" / "encoder" / "testdata" / "models" / "tiny"
PHOTOS = 1500


def write_picture(path, seed):
    """A PPM of 32 x 32 pixels that is like no other."""
    noise = random.Random(seed)
    path.write_bytes(b"P6\n32 32\n255\n" + noise.randbytes(32 * 32 * 3))


class GenerationsTest(ProgramTest):
    """The second model is a copy of the first that sees pictures in another light: the same dimension, so that only
    the fingerprint tells their vectors apart."""

    def setUp(self):
        super().setUp()
        self.old_model = self.folder / "old model"
        self.new_model = self.folder / "new model"
        for model in (self.old_model, self.new_model):
            shutil.copytree(TINY_MODEL, model)
        rules = self.new_model / "preprocessor_config.json"
        changed = json.loads(rules.read_text(encoding="utf-8"))
        changed["image_mean"] = [0.9, 0.5, 0.1]
        rules.write_text(json.dumps(changed), encoding="utf-8")

    def index_photos(self, count):
        for number in range(count):
            write_picture(self.photos / f"{number}.ppm", number)
        captions = self.folder / "captions.tsv"
        captions.write_text("0.ppm\ta dog\n1.ppm\ta cat\n", encoding="utf-8")
        summary = self.run_ok("index", self.photos, "--captions", captions, "--model", self.old_model, "--json").json
        self.assertEqual(summary["indexed"], count, summary)
        self.assertNotIn("generation", summary)

    def generations(self):
        return {g["number"]: g for g in self.run_ok("generation", "list", "--json").json_lines}

    def fingerprint(self):
        return self.run_ok("status", "--json").json["model"]["fingerprint"]

    def assert_finds(self, number, fingerprint):
        lines = self.run_ok("similar", self.photos / f"{number}.ppm", "--limit", 1, "--explain", "--json").json_lines
        self.assertEqual(lines[0]["path"], str(self.photos / f"{number}.ppm"))
        self.assertGreater(lines[0]["score"], 0.999)
        self.assertEqual(lines[1]["explanation"]["model_fingerprint"], fingerprint)

    def start_filling(self):
        return self.start("index", "--model", self.new_model, "--json")

    def filled(self):
        """Photos that the second generation has, while another process fills it; -1 before it is there."""
        result = self.run_program("generation", "list", "--json")
        listed = {g["number"]: g for g in result.json_lines} if result.code == 0 else {}
        return listed[2]["embeddings"] if 2 in listed else -1

    def test_a_folder_of_two_precisions(self):
        """The library goes on with the one that it was made with."""
        for tower in ("vision", "text"):
            graph = self.old_model / "onnx" / f"{tower}_model.onnx"
            shutil.copy(graph, graph.with_name(f"{tower}_model_fp16.onnx"))
        shown = self.run_ok("model", "show", self.old_model, "--json").json
        self.assertEqual((shown["variant"], shown["variants"]), ("plain", ["plain", "fp16"]))
        half = self.run_ok("model", "show", self.old_model, "--variant", "fp16", "--json").json["fingerprint"]
        for number in range(5):
            write_picture(self.photos / f"{number}.ppm", number)
        index = ("index", self.photos, "--model", self.old_model, "--json")
        self.assertNotIn("generation", self.run_ok(*index, "--variant", "fp16").json)
        self.assertEqual(self.fingerprint(), half)
        self.assert_finds(3, half)
        write_picture(self.photos / "5.ppm", 5)
        self.assertEqual(self.run_ok(*index).json["indexed"], 1)
        self.assertEqual(list(self.generations()), [1])
        self.run_ok("index", "--model", self.old_model, "--variant", "plain", "--switch")
        self.assert_finds(3, shown["fingerprint"])
        self.run_ok("generation", "rollback")
        self.assert_finds(5, half)
        refused = self.run_program("search", "dog", "--model", self.old_model, "--variant", "q4")
        self.assertEqual(refused.code, 1)
        self.assertIn("plain, fp16", refused.err)

    def test_kills_lose_nothing_and_the_old_model_serves_meanwhile(self):
        self.index_photos(PHOTOS)
        old = self.fingerprint()
        seen = -1
        kills_in_the_middle = 0
        for attempt in range(100):
            process = self.start_filling()
            # Ever later, from before the first photo is encoded.
            time.sleep(0.2 + 0.03 * attempt)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            have = self.filled()
            self.assertGreaterEqual(have, seen, "what was encoded before the kill is gone")
            kills_in_the_middle += 0 < have < PHOTOS
            seen = max(seen, have)
            if seen == PHOTOS or kills_in_the_middle == 3:
                break
            if kills_in_the_middle == 1:
                self.assertEqual(self.fingerprint(), old)
                self.assert_finds(7, old)
        self.assertGreater(kills_in_the_middle, 0, "no kill hit the middle of the work")
        self.run_ok("verify")
        rest = self.run_ok("index", "--model", self.new_model, "--json").json["generation"]
        self.assertEqual(rest["embedded"], PHOTOS - seen, rest)
        self.assertEqual(rest["generation"]["missing_embeddings"], 0)
        self.assertEqual(rest["generation"]["missing_caption_embeddings"], 0)
        self.assertEqual(self.fingerprint(), old)
        self.run_ok("generation", "switch", "--json")
        new = self.fingerprint()
        self.assertNotEqual(new, old)
        # Without --model: the library remembers where its model is.
        self.assert_finds(7, new)
        self.run_ok("verify")

    def test_switch_rollback_and_drop(self):
        self.index_photos(60)
        old = self.fingerprint()
        moved = self.run_ok("index", "--model", self.new_model, "--switch", "--json").json["generation"]
        self.assertTrue(moved["switched"], moved)
        self.assertEqual((moved["embedded"], moved["captions"], moved["failed"]), (60, 2, 0))
        new = self.fingerprint()
        self.assert_finds(7, new)
        write_picture(self.photos / "60.ppm", 60)
        self.assertEqual(self.run_ok("index", self.photos, "--json").json["indexed"], 1)
        back = self.run_ok("generation", "rollback", "--json").json
        self.assertEqual((back["switched"], back["embedded"]), (True, 1), back)
        self.assert_finds(60, old)
        self.assertEqual(self.run_program("generation", "drop", 1).code, 1)
        self.run_ok("generation", "drop", 2)
        self.assertEqual(list(self.generations()), [1])
        self.run_ok("verify")

    def test_abort(self):
        self.index_photos(30)
        self.run_ok("index", "--model", self.new_model)
        self.assertEqual(list(self.generations()), [1, 2])
        self.run_ok("index", "--abort")
        self.assertEqual(list(self.generations()), [1])
        again = self.run_program("generation", "abort")
        self.assertEqual(again.code, 1)
        self.assertIn("no generation is being filled", again.err)
        self.run_ok("verify")

    def test_abort_stops_a_fill_that_runs(self):
        self.index_photos(PHOTOS)
        with self.serving():
            process = self.start_filling()
            self.assertTrue(wait_until(lambda: self.filled() >= 0 or process.poll() is not None, 30))
            self.run_ok("generation", "abort")
            process.communicate(timeout=30)
            self.assertEqual(list(self.generations()), [1])

    def test_a_server_moves_without_a_restart(self):
        self.index_photos(60)
        old = self.fingerprint()
        with self.serving():
            self.assert_finds(7, old)
            self.run_ok("index", "--model", self.new_model, "--switch")
            new = self.fingerprint()
            self.assertNotEqual(new, old)
            self.assert_finds(7, new)
        self.assert_finds(7, new)

    def test_photos_that_are_gone_need_consent(self):
        self.index_photos(20)
        os.remove(self.photos / "3.ppm")
        filled = self.run_program("index", "--model", self.new_model, "--json")
        self.assertEqual(filled.code, 3, filled.err)
        failures = filled.json["generation"]["failures"]
        self.assertEqual([failure["path"] for failure in failures], [str(self.photos / "3.ppm")])
        refused = self.run_program("generation", "switch")
        self.assertEqual(refused.code, 1)
        self.assertIn("--leave-out-unreadable", refused.err)
        self.run_ok("generation", "switch", "--leave-out-unreadable")
        self.assertEqual(self.run_ok("status", "--json").json["assets"], 20)
        self.assert_finds(7, self.fingerprint())
        self.run_ok("verify")

    def test_wrong_usage(self):
        for arguments in (("index",), ("generation",), ("generation", "drop"), ("index", "--leave-out-unreadable", "x"),
                          ("generation", "frobnicate")):
            result = self.run_program(*arguments)
            self.assertEqual(result.code, 2, f"{arguments}: {result.out}{result.err}")
        self.index_photos(3)
        missing = self.run_program("index", "--model", "no such model")
        self.assertEqual(missing.code, 1)
        self.assertIn("no such model", missing.err)
        for subcommand in ("list", "switch", "abort", "rollback", "drop"):
            self.assertIn("Usage", self.run_ok("generation", subcommand, "--help").out)
        script = subprocess.run([*self.command("completion", "bash")], capture_output=True, check=True).stdout
        self.assertIn(b"rollback", script)


if __name__ == "__main__":
    unittest.main()
