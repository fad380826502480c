"""`eidetic serve`: the log on standard error, /metrics and /healthz over HTTP."""

import json
import signal
import unittest
import urllib.error
import urllib.request

from program import ProgramTest


class LogAndMetricsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.copy_small_pictures(3)
        self.run_ok("index", self.photos)

    def serve(self, *options):
        """A server, what it said when it was ready, and its end."""
        process = self.start("serve", "--address", "127.0.0.1:0", "--json", *options)
        self.addCleanup(process.kill)
        return process, json.loads(process.stdout.readline())

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, err)
        return err.decode()

    def test_metrics_and_health(self):
        process, ready = self.serve("--http-address", "127.0.0.1:0")
        base = "http://" + ready["http_address"]
        self.run_ok("search", "a photo")
        with urllib.request.urlopen(base + "/metrics", timeout=10) as answer:
            self.assertIn("version=0.0.4", answer.headers["Content-Type"])
            page = answer.read().decode()
        self.assertIn('eidetic_calls_total{code="OK",method="eidetic.v1.SearchService/Search"} 1', page)
        self.assertIn("\neidetic_library_assets 3\n", page)
        self.assertIn('event="snapshot_loaded"', page)
        with urllib.request.urlopen(base + "/healthz", timeout=10) as answer:
            self.assertEqual(answer.read(), b"ok\n")
        with self.assertRaises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(base + "/", timeout=10)
        self.assertEqual(missing.exception.code, 404)
        second = self.run_program("serve", "--address", "127.0.0.1:0", "--http-address", ready["http_address"],
                                  library=self.folder / "second")
        self.assertEqual(second.code, 1)
        self.assertIn(ready["http_address"], second.err)
        self.assertIn("--http-address", second.err)
        self.stop(process)

    def test_the_log_has_two_forms(self):
        process, ready = self.serve("--http-address", "", "--log-format", "json")
        self.assertEqual(ready["http_address"], "")
        events = [json.loads(line) for line in self.stop(process).splitlines() if line.startswith("{")]
        self.assertEqual([event["event"] for event in events],
                         ["library_opened", "snapshot_loaded", "server_started", "server_stopping", "library_closed"])
        process, _ = self.serve("--http-address", "", "--log-level", "warning")
        self.assertNotIn("library_opened", self.stop(process))

    def test_a_rejected_snapshot_is_told_by_every_command(self):
        for part in (self.library / "index").glob("*.images"):
            part.write_bytes(part.read_bytes()[:-1])
        result = self.run_ok("search", "a photo")
        self.assertIn("snapshot_rejected reason=damaged", result.err)
        self.assertNotIn("library_opened", result.err)


if __name__ == "__main__":
    unittest.main()
