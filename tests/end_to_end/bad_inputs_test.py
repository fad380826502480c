"""More than 200 kinds of bad input beside good ones: each is reported by name, nothing stops."""

import resource
import shutil
import unittest

import bad_inputs
from program import SMALL_PICTURES, ProgramTest


class BadInputsTest(ProgramTest):
    def test_each_is_reported_and_the_good_ones_are_indexed(self):
        good = sorted(p for p in SMALL_PICTURES.iterdir() if p.is_file())
        kinds = bad_inputs.make(self.photos, good)
        self.assertGreaterEqual(len(kinds), 200)
        (self.photos / "folder.jpg").rmdir()
        (self.photos / "folder.jpg").mkdir()
        for picture in good:
            shutil.copyfile(picture, self.photos / "folder.jpg" / f"good {picture.name}")
        result = self.run_program("index", self.photos, "--json")
        self.assertEqual(result.code, 3, result.err)
        summary = result.json
        reported = {failure["path"]: failure["reason"] for failure in summary["failures"]}
        silent = {path: kind for path, kind in kinds.items() if path not in reported}
        self.assertEqual(silent, {}, f"{len(silent)} bad inputs were not reported")
        self.assertTrue(all(reason for reason in reported.values()))
        self.assertEqual(set(reported) - set(kinds), set(), "good files were reported")
        self.assertEqual(summary["indexed"], len(good), summary)
        peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{len(kinds)} kinds, peak memory {peak_mib:.0f} MiB", flush=True)
        self.assertLess(peak_mib, 1024)
        self.run_ok("verify")

    def test_what_may_not_be_read_is_reported(self):
        good = self.copy_small_pictures(3)
        unreadable = self.photos / "unreadable.jpg"
        shutil.copyfile(good[0], unreadable)
        closed = self.photos / "closed folder"
        closed.mkdir()
        for path in (unreadable, closed):
            path.chmod(0)
        try:
            result = self.run_program("index", self.photos, "--json", root_reads_all=False)
        finally:
            closed.chmod(0o700)
        self.assertEqual(result.code, 3, result.err)
        summary = result.json
        self.assertEqual({failure["path"] for failure in summary["failures"]}, {str(unreadable), str(closed)})
        self.assertTrue(all("ermission" in failure["reason"] for failure in summary["failures"]), summary)
        self.assertEqual(summary["indexed"], len(good))


if __name__ == "__main__":
    unittest.main()
