"""A damaged library does not open, says what to do, and `verify --repair` puts it right."""

import unittest

from program import ProgramTest


class RepairTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.pictures = self.copy_small_pictures()
        self.run_program("index", self.photos, "--quiet")
        self.assets = self.run_ok("status", "--json").json["assets"]
        self.assertGreater(self.assets, 3)

    def damage_manifest(self):
        for manifest in (self.library / "rocksdb").glob("MANIFEST-*"):
            data = bytearray(manifest.read_bytes())
            data[len(data) // 2] ^= 1
            manifest.write_bytes(data)

    def test_damage_is_told_and_repaired(self):
        self.damage_manifest()
        for command in (("search", "a dog"), ("index", self.photos), ("status",)):
            result = self.run_program(*command)
            self.assertEqual(result.code, 1, result.out)
            self.assertIn("verify --repair", result.err)
        report = self.run_program("verify", "--json")
        self.assertEqual(report.code, 1)
        self.assertFalse(report.json["ok"])
        self.assertEqual(report.json["faults"][0]["place"], "database")

        repaired = self.run_program("verify", "--repair", "--json")
        self.assertIn(repaired.code, (0, 3), repaired.err)
        self.assertTrue((self.library / "rocksdb.damaged-1" / "CURRENT").exists())
        self.run_ok("verify")
        # What was lost comes back.
        self.run_program("index", self.photos, "--quiet")
        self.assertEqual(self.run_ok("status", "--json").json["assets"], self.assets)
        self.run_ok("verify")

    def test_a_damaged_snapshot_is_told_by_status(self):
        images = next((self.library / "index").glob("*.images"))
        images.write_bytes(images.read_bytes()[:100])
        status = self.run_ok("status", "--json").json
        self.assertEqual(status["rejected_snapshots"], 1)
        self.assertIn(".images", status["last_rejected_snapshot"]["reason"])

    def test_not_while_it_is_served(self):
        with self.serving():
            result = self.run_program("verify", "--repair")
            self.assertEqual(result.code, 1)
            self.assertIn("process", result.err)
        self.run_ok("verify", "--repair")


if __name__ == "__main__":
    unittest.main()
