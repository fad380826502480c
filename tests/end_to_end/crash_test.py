"""kill -9 at random moments of an indexing run: nothing acknowledged is lost, the next run goes on.

EIDETIC_KILLS sets the number of kills (default 6), EIDETIC_SEED the seed.
"""

import os
import random
import shutil
import time
import unittest

from program import ProgramTest, debian_photos


class CrashTest(ProgramTest):
    def test_killed_runs_resume(self):
        kills = int(os.environ.get("EIDETIC_KILLS", "6"))
        seed = int(os.environ.get("EIDETIC_SEED", "1"))
        print(f"seed {seed}, {kills} kills", flush=True)
        moments = random.Random(seed)
        # Many different contents: copies of the photos with bytes after the picture's end.
        photos = debian_photos()
        total = 0
        for copy in range(12):
            for photo in photos:
                if os.path.getsize(photo) > 1_200_000:
                    continue
                target = self.photos / f"{copy}" / os.path.basename(photo)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(photo, target)
                with open(target, "ab") as file:
                    file.write(f"copy {copy}".encode())
                total += 1
        present = set()
        for kill in range(kills):
            process = self.start("index", self.photos, "--quiet")
            time.sleep(moments.uniform(0.05, 2.0))
            process.kill()
            process.communicate()
            status = self.run_program("status", "--json")
            if status.code != 0:  # killed before there was a library
                self.assertIn("eidetic index", status.err)
                self.assertFalse(present)
                continue
            self.run_ok("verify", "--json")
            assets = status.json["assets"]
            self.assertGreaterEqual(assets, len(present), f"kill {kill}: photos are gone")
            self.assertEqual(status.json["index"]["vectors"], assets)
            if assets:
                hits = self.run_ok("search", "a photo", "--limit", "1000", "--json").json_lines
                found = {hit["path"] for hit in hits}
                self.assertEqual(len(found), min(assets, 1000))
                self.assertLessEqual(present, found, f"kill {kill}: photos are not found any more")
                present = found
        summary = self.run_ok("index", self.photos, "--json").json
        self.assertEqual(summary["indexed"] + summary["unchanged"] + summary["moved"], total, summary)
        self.assertGreaterEqual(summary["unchanged"], len(present), summary)
        self.assertEqual(self.run_ok("status", "--json").json["assets"], total)
        self.run_ok("verify")


if __name__ == "__main__":
    unittest.main()
