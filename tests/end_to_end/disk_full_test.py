"""A disk that runs full under a running server and has room again: a small tmpfs, mounted in a mount namespace of
this test's own (as root, or with user namespaces; elsewhere the test is skipped).
"""

import os
import subprocess
import sys

MOUNT_NAMESPACE = [["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]]
SKIPPED = 77


def enter_namespace():
    """Runs this file again where it may mount; returns there alone."""
    if os.environ.get("EIDETIC_MAY_MOUNT"):
        return
    for unshare in MOUNT_NAMESPACE:
        mounts = [*unshare, "sh", "-c", "mount -t tmpfs none /mnt"]
        if subprocess.run(mounts, capture_output=True, check=False).returncode == 0:
            os.environ["EIDETIC_MAY_MOUNT"] = "1"
            os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])
    print("SKIP: neither root nor user namespaces may mount a tmpfs here")
    sys.exit(SKIPPED)


enter_namespace()

import contextlib  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import unittest  # noqa: E402
import urllib.request  # noqa: E402

import grpc  # noqa: E402
from program import ProgramTest, debian_photos, wait_until  # noqa: E402
from reflection_client import ReflectionClient  # noqa: E402

DISK_MIB = 96
SEARCH = "eidetic.v1.SearchService"
LIBRARY = "eidetic.v1.LibraryService"


def serving_status(answer):
    """The status of a grpc.health.v1 answer, whose proto is not among Debian's Python packages: field 1."""
    return {b"": "UNKNOWN", b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}.get(answer, "?")


class Health:
    """grpc.health.v1: one Check, and a Watch that keeps what it was told."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.told = []

    @staticmethod
    def request(service):
        name = service.encode()
        return b"\x0a" + bytes([len(name)]) + name

    def check(self, service):
        call = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        return serving_status(call(self.request(service), timeout=10))

    def watch(self, service):
        stream = self.channel.unary_stream("/grpc.health.v1.Health/Watch")(self.request(service))

        def read():
            with contextlib.suppress(grpc.RpcError):
                for answer in stream:
                    self.told.append(serving_status(answer))

        threading.Thread(target=read, daemon=True).start()


class DiskFullTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(self.disk)], check=True)
        self.library = self.disk / "library"
        self.filler = self.disk / "filler"

    def tearDown(self):
        subprocess.run(["umount", "--lazy", str(self.disk)], check=True)
        super().tearDown()

    def fill(self):
        """Leaves not a byte; returns how many it took."""
        with open(self.filler, "ab", buffering=0) as file:
            block = bytes(1 << 20)
            while block:
                try:
                    if file.write(block) < len(block):
                        raise OSError
                except OSError:
                    block = block[: len(block) // 2]
            return file.tell()

    @contextlib.contextmanager
    def server(self):
        process = self.start("serve", "--address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--json",
                             "--log-format", "json")
        errors = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
        reader.start()
        self.addCleanup(process.kill)
        yield process, json.loads(process.stdout.readline()), errors
        process.kill()
        process.wait()
        reader.join()

    def test_serve_goes_on_reading_and_writes_come_back(self):
        with self.server() as (process, ready, errors):
            client = ReflectionClient(ready["address"])
            health = Health(ready["address"])
            health.watch(LIBRARY)
            vector = client.call("eidetic.v1.EncoderService/Embed", inputs=[{"text": "a dog"}]).embeddings[0].values
            acknowledged = []

            def put(asset_id, padding=0):
                client.call(f"{LIBRARY}/PutAsset", asset={
                    "asset_id": asset_id, "embedding": {"values": vector},
                    "attributes": {f"k{i}": "x" * 1000 for i in range(padding)}})
                acknowledged.append(asset_id)

            for i in range(100):
                put(f"before-{i}")
            filled = self.fill()

            def put_until_refused():
                # Into what RocksDB had reserved, until that is full too.
                for i in range(20_000):
                    try:
                        put(f"into-{len(acknowledged)}", padding=50)
                    except grpc.RpcError as error:
                        return error
                    if i % 100 == 0:
                        self.fill()
                return self.fail("the disk was never full")

            refusal = put_until_refused()
            self.assertEqual(refusal.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, refusal.details())
            print(f"\nfilled {filled} bytes; {len(acknowledged)} puts acknowledged before the first refusal")
            print("refusal:", refusal.details())
            # A log that ended gives back what was reserved for it, and writes go on in that: until that is full too,
            # and stays so for some attempts to go on.
            self.fill()
            for _ in range(5):
                if not wait_until(lambda: health.told[-1:] == ["SERVING"], 2):
                    break
                put_until_refused()
                self.fill()
            for part in (str(self.library), "bytes free", "free some space"):
                self.assertIn(part, refusal.details())

            self.assertTrue(wait_until(lambda: health.told[-1:] == ["NOT_SERVING"], 10), health.told)
            self.assertEqual([health.check(name) for name in ("", SEARCH, LIBRARY)],
                             ["SERVING", "SERVING", "NOT_SERVING"])
            hits = client.call(f"{SEARCH}/Search", terms=[{"text": "a dog"}], page_size=10).hits
            self.assertEqual(len(hits), 10)
            writes = self.run_ok("status", "--json").json["writes"]
            self.assertFalse(writes["accepted"])
            self.assertEqual(writes["reason"], "disk_full")
            print("status:", json.dumps(writes))
            page = urllib.request.urlopen(f"http://{ready['http_address']}/metrics", timeout=10).read().decode()
            self.assertIn("\neidetic_library_writable 0\n", page)
            self.assertIn('event="writes_failed",reason="disk_full"', page)

            self.filler.unlink()
            self.assertTrue(wait_until(lambda: health.told[-1:] == ["SERVING"], 20), health.told)
            print("health of LibraryService:", " ".join(health.told))
            for i in range(100):
                put(f"after-{i}")
            self.assertTrue(self.run_ok("status", "--json").json["writes"]["accepted"])
            process.send_signal(signal.SIGKILL)
            process.wait()
        events = [json.loads(line) for line in errors if line.startswith(b"{")]
        told = [e for e in events if e["event"].startswith("writes_")]
        print("log:", *map(json.dumps, told), sep="\n  ")
        self.assertEqual([e["event"] for e in told], ["writes_failed", "writes_recovered"] * (len(told) // 2))
        self.assertGreater(len(told), 0)

        with self.server() as (process, ready, _):
            client = ReflectionClient(ready["address"])
            stored, token = set(), ""
            while True:
                page = client.call(f"{LIBRARY}/ListAssets", page_size=1000, page_token=token)
                stored |= {asset.asset_id for asset in page.assets}
                token = page.next_page_token
                if not token:
                    break
            missing = [asset_id for asset_id in acknowledged if asset_id not in stored]
            print(f"after kill -9: {len(acknowledged)} acknowledged, {len(missing)} missing, "
                  f"{len(stored - set(acknowledged))} not acknowledged but stored")
            self.assertEqual(missing, [])
            self.assertEqual(self.run_ok("verify", "--json").json["fault_count"], 0)

    def test_index_stops_cleanly_and_goes_on(self):
        for i in range(4):
            for photo in debian_photos()[:10]:
                target = self.photos / f"{i}-{os.path.basename(photo)}"
                shutil.copyfile(photo, target)
                with open(target, "ab") as file:
                    file.write(f"copy {i}".encode())
        self.run_ok("index", debian_photos()[0])
        # So little room that RocksDB reserves none, and then none at all.
        room = self.fill() - (3 << 20)
        os.truncate(self.filler, room)
        index = self.start("index", self.photos)
        self.addCleanup(index.kill)

        def indexed():
            status = self.run_program("status", "--json")
            return status.code == 0 and status.json["assets"] >= 3

        self.assertTrue(wait_until(indexed, 60), "nothing was indexed")
        self.fill()
        _, error = index.communicate(timeout=120)
        error = error.decode()
        print("\neidetic index, met by a full disk, ends with", index.returncode, error)
        self.assertEqual(index.returncode, 1, error)
        for part in (str(self.library), "bytes free", "free some space"):
            self.assertIn(part, error)
        self.filler.unlink()
        summary = self.run_ok("index", self.photos, "--json").json
        print("and later:", summary)
        self.assertEqual(summary["failed"], 0)
        self.assertGreaterEqual(summary["unchanged"], 2)
        self.run_ok("verify")


if __name__ == "__main__":
    unittest.main()
