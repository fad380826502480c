"""Several processes and one library: one holds it, the others go through it or say who it is; no lock goes stale."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from program import SOURCE_DIR, ProgramTest, debian_photos, wait_until

TINY_MODEL = SOURCE_DIR / "tests" / "encoder" / "testdata" / "models" / "tiny"
STARTS = 20


class ProcessesTest(ProgramTest):
    def copy_photos(self, copies):
        """Photos of different contents, for a run that takes its time."""
        for copy in range(copies):
            for photo in debian_photos():
                target = self.photos / f"{copy}" / os.path.basename(photo)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(photo, target)
                with open(target, "ab") as file:
                    file.write(f"copy {copy}".encode())

    def holder(self):
        try:
            return json.loads((self.library / "LOCK").read_text())
        except (OSError, ValueError):
            return {}

    def start_indexing(self):
        process = self.start("index", self.photos, "--json")
        self.assertTrue(wait_until(lambda: self.holder().get("address"), 60), "the run is not reachable")
        return process

    def stop(self, process):
        process.kill()
        process.communicate()

    def test_everything_goes_through_an_index_run(self):
        picture = self.copy_small_pictures(1)[0]
        self.run_ok("index", self.photos)
        self.copy_photos(12)
        process = self.start_indexing()
        try:
            self.assertTrue(self.holder()["address"].startswith("unix:"))
            status = self.run_ok("status", "--json").json
            self.assertEqual(status["holder"]["pid"], process.pid)
            self.assertTrue(self.run_ok("search", "wine", "--json").json_lines)
            self.assertEqual(self.run_ok("similar", picture, "--json").json_lines[0]["path"], str(picture))
            self.assertTrue(self.run_ok("caption", picture, "--json").json_lines)
            self.run_ok("verify")
            second = self.run_program("index", self.photos)
            self.assertEqual(second.code, 1)
            self.assertIn(f"indexing {self.photos}", second.err)
            self.assertIn(f"process {process.pid} (eidetic index)", second.err)
            serve = self.run_program("serve", "--address", "127.0.0.1:0")
            self.assertEqual(serve.code, 1)
            self.assertIn(f"process {process.pid} (eidetic index) serving on unix:", serve.err)
            self.assertIsNone(process.poll(), "the run ended before the test did: it shows nothing")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    def test_of_twenty_starts_one_holds_and_the_others_say_which(self):
        for _ in range(2):  # a new library, then one that is there
            starts = [self.start("serve", "--address", "127.0.0.1:0", "--json", "--model", TINY_MODEL)
                      for _ in range(STARTS)]
            try:
                self.assertTrue(wait_until(lambda: sum(p.poll() is not None for p in starts) >= STARTS - 1, 60))
                holding = [p for p in starts if p.poll() is None]
                self.assertEqual(len(holding), 1)
                self.assertEqual(json.loads(holding[0].stdout.readline())["pid"], holding[0].pid)
                for process in starts:
                    if process is not holding[0]:
                        _, err = process.communicate()
                        self.assertEqual(process.returncode, 1)
                        self.assertIn(f"process {holding[0].pid} (eidetic serve)".encode(), err)
                holding[0].send_signal(signal.SIGTERM)
                holding[0].communicate(timeout=30)
                self.assertEqual(holding[0].returncode, 0)
            finally:
                for process in starts:
                    self.stop(process)

    def test_commands_at_the_same_moment_all_answer(self):
        self.copy_small_pictures(3)
        self.run_ok("index", self.photos)
        starts = [self.start("status", "--json") for _ in range(8)]
        for process in starts:
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
            self.assertEqual(json.loads(out)["assets"], 3)

    def test_no_lock_goes_stale(self):
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        lock = self.library / "LOCK"
        gone = subprocess.Popen(["true"])
        gone.wait()
        for content in ("", "garbage", "{}", '{"pid":', json.dumps({"pid": os.getpid(), "command": "serve",
                        "address": "127.0.0.1:1"}), json.dumps({"pid": gone.pid}), "\0" * 5000):
            lock.write_text(content)
            self.assertEqual(self.run_ok("status", "--json").json["assets"], 2, content)
        lock.unlink()
        self.run_ok("status")
        lock.unlink()
        lock.mkdir()
        self.run_ok("status")
        self.assertTrue(lock.is_file())
        # What may be somebody's is not removed, and nothing waits for it.
        lock.unlink()
        lock.mkdir()
        (lock / "something").touch()
        result = self.run_program("status", timeout=30)
        self.assertEqual(result.code, 1)
        self.assertIn("move it away", result.err)
        shutil.rmtree(lock)
        os.mkfifo(lock)
        result = self.run_program("status", timeout=30)
        self.assertEqual(result.code, 1)
        self.assertIn("not a regular file", result.err)

    def test_a_killed_server_leaves_nothing_in_the_way(self):
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        server = self.start("serve", "--address", "127.0.0.1:0", "--json")
        server.stdout.readline()
        self.stop(server)
        self.assertEqual(self.holder()["pid"], server.pid)
        began = time.monotonic()
        self.assertIsNone(self.run_ok("status", "--json").json["holder"])
        self.assertLess(time.monotonic() - began, 8)

    def test_a_server_that_shuts_down_is_waited_for_or_named(self):
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        for delay in (0, 0.02, 0.1):
            server = self.start("serve", "--address", "127.0.0.1:0", "--json")
            server.stdout.readline()
            server.send_signal(signal.SIGTERM)
            time.sleep(delay)
            result = self.run_program("status", timeout=60)
            if result.code != 0:  # it ended in the middle of the call
                self.assertIn(f"process {server.pid} (eidetic serve)", result.err)
            server.communicate(timeout=30)
            self.assertEqual(server.returncode, 0)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to be two users")
    def test_locks_that_another_user_left(self):
        self.folder.chmod(0o755)
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        for folder in (self.library, self.library / "rocksdb", self.library / "index"):
            os.chown(folder, 65534, 65534)
        # Root's files LOCK and rocksdb/LOCK may be read by the owner, not written.
        self.assertEqual(self.run_ok("status", "--json", through=nobody).json["assets"], 2)
        self.assertEqual((self.library / "LOCK").stat().st_uid, 65534)
        with self.serving(through=nobody) as address:
            self.assertEqual(self.run_ok("status", "--json").json["holder"]["address"], address)

    def test_a_server_that_hangs_is_named(self):
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        server = self.start("serve", "--address", "127.0.0.1:0", "--json")
        try:
            address = json.loads(server.stdout.readline())["address"]
            server.send_signal(signal.SIGSTOP)
            result = self.run_program("status", timeout=60)
            self.assertEqual(result.code, 1)
            self.assertIn(f"process {server.pid} (eidetic serve) serving on {address}, which does not answer",
                          result.err)
            # In the middle of a call.
            server.send_signal(signal.SIGCONT)
            self.copy_photos(12)
            client = self.start("index", self.photos)
            time.sleep(3)
            self.assertIsNone(client.poll())
            server.send_signal(signal.SIGSTOP)
            _, err = client.communicate(timeout=60)
            self.assertEqual(client.returncode, 1)
            self.assertIn(f"process {server.pid} (eidetic serve)".encode(), err)
        finally:
            server.send_signal(signal.SIGCONT)
            self.stop(server)

    def test_a_file_system_without_locks(self):
        shim = os.environ.get("EIDETIC_NO_LOCKS")
        if not shim:
            self.skipTest("the library that takes flock away is not built with sanitizers")
        self.copy_small_pictures(2)
        environment = dict(os.environ, LD_PRELOAD=shim)
        result = self.run_program("index", self.photos, env=environment)
        self.assertEqual(result.code, 1)
        self.assertIn("has no locks", result.err)
        self.assertIn("local disk", result.err)
        self.run_ok("index", self.photos)

    def test_a_folder_that_others_may_write_to(self):
        self.library.mkdir()
        self.library.chmod(0o775)
        self.copy_small_pictures(2)
        self.run_ok("index", self.photos)
        self.copy_photos(12)
        process = self.start_indexing()
        try:
            # A socket there could be replaced by somebody else's.
            self.assertNotIn(str(self.library), self.holder()["address"])
            self.assertEqual(self.run_ok("status", "--json").json["holder"]["pid"], process.pid)
            self.assertIsNone(process.poll(), "the run ended before the test did: it shows nothing")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main()
