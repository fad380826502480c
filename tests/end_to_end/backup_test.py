"""backup and restore: the program on a library that is being served, indexed, killed.

EIDETIC_SEED sets the seed of the moments at which backups are killed.
"""

import os
import pathlib
import random
import shutil
import time
import unittest

from program import ProgramTest


class BackupTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.backups = self.folder / "backups of photos"
        self.copy_small_pictures()
        self.run_program("index", self.photos, "--json")

    def hits(self, library=None):
        return [(hit["id"], hit["path"], round(hit["score"], 5)) for hit in
                self.run_ok("search", "a photo", "--limit", "1000", "--json", library=library).json_lines]

    def test_backup_of_a_served_library_restores_to_the_same_answers(self):
        expected = self.hits()
        self.assertGreater(len(expected), 3)
        with self.serving():
            made = self.run_ok("backup", self.backups, "--json").json
            self.assertEqual(made["number"], 1)
            self.assertEqual(made["assets"], len(expected))
            human = self.run_ok("backup", self.backups)
            self.assertIn("Backup 2", human.out)
        listed = self.run_ok("backup", self.backups, "--list", "--json").json_lines
        self.assertEqual([backup["number"] for backup in listed], [1, 2])
        self.run_ok("backup", self.backups, "--verify")
        self.run_ok("backup", self.backups, "--keep", "1")
        self.assertEqual([b["number"] for b in self.run_ok("backup", self.backups, "--list", "--json").json_lines], [3])

        restored = self.folder / "restored library"
        self.assertEqual(self.run_ok("restore", self.backups, "--to", restored, "--json").json["number"], 3)
        self.assertEqual(self.hits(restored), expected)
        self.run_ok("verify", library=restored)
        # And into --library, from a relative path.
        other = self.folder / "other"
        self.run_ok("restore", self.backups.name, library=other, cwd=self.folder)
        self.assertEqual(self.hits(other), expected)

    def test_what_it_refuses(self):
        self.assertEqual(self.run_program("backup").code, 2)
        self.assertEqual(self.run_program("backup", self.backups, "--list", "--keep", "2").code, 2)
        self.assertEqual(self.run_program("backup", self.backups, "--keep", "0").code, 2)
        for folder, message in ((self.library / "backups", "inside the library"), (self.photos, "other things")):
            result = self.run_program("backup", folder)
            self.assertEqual(result.code, 1)
            self.assertIn(message, result.err)
        result = self.run_program("backup", self.backups, "--list")
        self.assertEqual(result.code, 1)
        self.assertIn("eidetic backup", result.err)
        self.run_ok("backup", self.backups)
        for target, message in ((self.library, "is a library already"), (self.photos, "other things")):
            result = self.run_program("restore", self.backups, "--to", target)
            self.assertEqual(result.code, 1)
            self.assertIn(message, result.err)
        result = self.run_program("restore", self.backups, "--to", self.folder / "new", "--number", "9")
        self.assertEqual(result.code, 1)
        self.assertIn("--list", result.err)
        self.assertFalse((self.folder / "new").exists())

    def test_a_damaged_backup_is_found_and_not_restored(self):
        self.run_ok("backup", self.backups)
        log = max((p for p in self.backups.glob("private/1/*")), key=lambda p: p.stat().st_size)
        content = bytearray(log.read_bytes())
        content[len(content) // 2] ^= 4
        log.write_bytes(content)
        self.assertEqual(self.run_program("backup", self.backups, "--list").code, 0)
        verified = self.run_program("backup", self.backups, "--verify", "--json")
        self.assertEqual(verified.code, 1)
        self.assertIn(log.name, verified.json["damage"])
        result = self.run_program("restore", self.backups, "--to", self.folder / "new")
        self.assertEqual(result.code, 1)
        self.assertIn(log.name, result.err)
        self.assertFalse((self.folder / "new").exists())

    def test_killed_backups_harm_nothing(self):
        seed = int(os.environ.get("EIDETIC_SEED", "1"))
        print(f"seed {seed}", flush=True)
        moments = random.Random(seed)
        expected = self.hits()
        self.run_ok("backup", self.backups)
        whole = 1
        for kill in range(6):
            process = self.start("backup", self.backups)
            time.sleep(moments.uniform(0.0, 0.4))
            process.kill()
            process.communicate()
            listed = self.run_ok("backup", self.backups, "--verify", "--json").json_lines
            self.assertIn(len(listed), (whole, whole + 1), f"kill {kill}")
            whole = len(listed)
        self.run_ok("backup", self.backups, "--keep", "1")
        self.assertEqual(len(list((self.backups / "private").iterdir())), 1)
        self.run_ok("restore", self.backups, "--to", self.folder / "new")
        self.assertEqual(self.hits(self.folder / "new"), expected)

    def test_a_full_disk_is_told_and_harms_nothing(self):
        if os.geteuid() != 0 or shutil.which("mount") is None:
            self.skipTest("needs root, for a small file system")
        disk = self.folder / "disk"
        disk.mkdir()
        if os.system(f"mount -t tmpfs -o size=64k tmpfs '{disk}' 2>/dev/null") != 0:
            self.skipTest("mounting is not allowed here")
        try:
            result = self.run_program("backup", disk / "backups")
            self.assertEqual(result.code, 1)
            self.assertIn("make room", result.err)
            self.run_ok("verify")
        finally:
            os.system(f"umount '{disk}'")

    def test_hostile_names(self):
        names = ["-rf", "new\nline", "quo'te \"x\"", b"\xff\xfe".decode("utf-8", "surrogateescape"), "…"]
        for name in names:
            folder = pathlib.Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
            self.run_ok("backup", folder)
            self.run_ok("restore", folder, "--to", self.folder / f"restored {names.index(name)}")


if __name__ == "__main__":
    unittest.main()
