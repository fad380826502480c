"""A library that may not be written to: read-only file system, or another user's; it is searched and never changed."""

import os
import shutil
import subprocess
import unittest

import grpc

from program import ProgramTest
from reflection_client import ReflectionClient

# Runs a command where the folder $1 is mounted read-only; root is not needed.
MOUNTED = ("unshare", *(() if os.geteuid() == 0 else ("-r",)), "-m", "sh", "-c",
           'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"', "sh")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def can_mount():
    try:
        return subprocess.run([*MOUNTED, "/tmp", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class ReadOnlyTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.pictures = self.copy_small_pictures(6)
        (self.photos / (self.pictures[0].name + ".txt")).write_text("a caption of a test\n", encoding="utf-8")
        self.run_ok("index", self.photos)

    def content(self):
        """Every file of the library, with its time."""
        return {str(path.relative_to(self.library)): (path.stat().st_mtime_ns, path.stat().st_size)
                for path in self.library.rglob("*")}

    def check_reads(self, through, snapshot=True):
        before = self.content()
        status = self.run_ok("status", "--json", through=through).json
        self.assertTrue(status["read_only"])
        self.assertEqual(status["assets"], len(self.pictures))
        self.assertEqual(status["index"]["origin"], "snapshot" if snapshot else "rebuilt")
        hits = self.run_ok("search", "a photo", "--json", "--limit", "100", through=through).json_lines
        self.assertEqual({hit["path"] for hit in hits}, set(map(str, self.pictures)))
        self.assertTrue(all("confidence" in hit for hit in hits))
        filtered = self.run_ok("search", "a photo", "--filter", "has:caption", "--json", through=through).json_lines
        self.assertEqual([hit["path"] for hit in filtered], [str(self.pictures[0])])
        similar = self.run_ok("similar", self.pictures[1], "--json", "--limit", "1", through=through).json
        self.assertEqual(similar["path"], str(self.pictures[1]))
        captions = self.run_ok("caption", self.pictures[0], "--library-only", "--json", through=through).json_lines
        self.assertEqual(captions[0]["text"], "a caption of a test")
        self.run_ok("verify", through=through)
        refused = self.run_program("index", self.photos, through=through)
        self.assertEqual(refused.code, 1)
        self.assertIn("can be searched, but not changed", refused.err)
        self.assertEqual(self.content(), before)

    def check_serves(self, through):
        before = self.content()
        with self.serving(through=through) as address:
            client = ReflectionClient(address)
            self.addCleanup(client.close)
            found = client.call("eidetic.v1.SearchService/Search", terms=[{"text": "a photo"}], page_size=100)
            self.assertEqual(len(found.hits), len(self.pictures))
            self.assertTrue(client.call("eidetic.v1.LibraryService/GetStatus").read_only)
            asset = {"asset_id": "new", "image": self.pictures[0].read_bytes()}
            for method, fields in (("PutAsset", {"asset": asset}),
                                   ("DeleteAsset", {"asset_id": found.hits[0].asset.asset_id})):
                with self.assertRaises(grpc.RpcError) as refused:
                    client.call(f"eidetic.v1.LibraryService/{method}", **fields)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
                self.assertIn("open for reading alone", refused.exception.details())
            with self.assertRaises(grpc.RpcError) as refused:
                client.call_with_stream("eidetic.v1.LibraryService/ImportAssets", [{"asset": asset}])
            self.assertEqual(refused.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
            # Raw messages, for health has no reflection: field 1 of the answer is 1 (SERVING) or 2 (NOT_SERVING).
            check = client.channel.unary_unary("/grpc.health.v1.Health/Check")
            for service, state in (("SearchService", 1), ("EncoderService", 1), ("LibraryService", 2)):
                name = f"eidetic.v1.{service}".encode()
                self.assertEqual(check(bytes((10, len(name))) + name, timeout=10), bytes((8, state)), service)
            # A second reader needs no first one.
            self.assertTrue(self.run_ok("status", "--json", through=through).json["read_only"])
        self.assertEqual(self.content(), before)

    def end_uncleanly(self):
        """Leaves a library whose newest photo is in the write-ahead log alone."""
        newest = self.photos / "newest.png"
        shutil.copyfile(self.pictures[1], newest)
        with open(newest, "ab") as file:
            file.write(b"another content")
        self.pictures.append(newest)
        server = self.start("serve", "--address", "127.0.0.1:0", "--json")
        server.stdout.readline()
        self.run_ok("index", self.photos)
        server.kill()
        server.communicate()

    @unittest.skipUnless(can_mount(), "mounting is not allowed here")
    def test_on_a_read_only_file_system(self):
        through = (*MOUNTED, self.library)
        self.check_reads(through)
        self.check_serves(through)
        with self.subTest("after kill -9"):
            self.end_uncleanly()
            self.check_reads(through)
        with self.subTest("without caches and lock"):
            shutil.rmtree(self.library / "index")
            for name in ("calibration", "LOCK"):
                (self.library / name).unlink()
            self.check_reads(through, snapshot=False)
            self.check_serves(through)
        with self.subTest("through the process that holds it elsewhere"), self.serving() as address:
            self.assertEqual(self.run_ok("status", "--json", through=through).json["holder"]["address"], address)
        self.run_ok("index", self.photos)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to be two users")
    def test_of_another_user(self):
        self.check_reads(NOBODY)
        self.check_serves(NOBODY)
        with self.subTest("who holds it"), self.serving() as address:
            self.assertEqual(self.run_ok("status", "--json", through=NOBODY).json["holder"]["address"], address)
        with self.subTest("readers keep writers out"), self.serving(through=NOBODY):
            refused = self.run_program("index", self.photos)
            self.assertEqual(refused.code, 1)
            self.assertIn("is being read by another process", refused.err)
        self.run_ok("index", self.photos)
        with self.subTest("whose holder cannot be seen"):
            (self.library / "LOCK").chmod(0o600)
            refused = self.run_program("status", through=NOBODY)
            self.assertEqual(refused.code, 1)
            self.assertIn("LOCK", refused.err)
        with self.subTest("that may not be read"):
            (self.library / "rocksdb").chmod(0o700)
            (self.library / "LOCK").chmod(0o644)
            refused = self.run_program("status", through=NOBODY)
            self.assertEqual(refused.code, 1)
            self.assertIn("may not be read", refused.err)


if __name__ == "__main__":
    unittest.main()
