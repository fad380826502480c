"""Runs the real `eidetic` program for the end-to-end tests.

Environment, set by ctest: EIDETIC_PROGRAM (the binary), EIDETIC_SOURCE_DIR.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["EIDETIC_PROGRAM"]
SOURCE_DIR = pathlib.Path(os.environ["EIDETIC_SOURCE_DIR"])
DEBIAN_PHOTOS = pathlib.Path("/usr/share/backgrounds")
SMALL_PICTURES = SOURCE_DIR / "tests" / "encoder" / "testdata" / "pictures"


def debian_photos():
    """The photos of the lomiri-wallpapers packages, which the set-up installs."""
    listed = subprocess.run(
        ["dpkg", "-L", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04"],
        check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({p for p in listed if p.endswith(".jpg") and os.path.isfile(p) and not os.path.islink(p)})


class Result:
    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout.decode("utf-8", "replace")
        self.err = completed.stderr.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class ProgramTest(unittest.TestCase):
    """A test with a folder and a library of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="eidetic e2e "))
        self.library = self.folder / "library"
        self.photos = self.folder / "photos"
        self.photos.mkdir()

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments, library=None):
        return [PROGRAM, "--library", str(library or self.library), *map(str, arguments)]

    def run_program(self, *arguments, library=None, timeout=300, root_reads_all=True, through=(), **options):
        """`through` is a command that runs the program, such as setpriv with its options."""
        command = [*through, *self.command(*arguments, library=library)]
        if not root_reads_all and os.geteuid() == 0:
            # Permissions hold for root too, once it may not pass them over.
            command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--", *command]
        return Result(subprocess.run(command, capture_output=True,
                                     stdin=subprocess.DEVNULL, timeout=timeout, check=False, **options))

    def run_ok(self, *arguments, **options):
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.code, 0, f"{arguments}\n{result.out}\n{result.err}")
        return result

    def start(self, *arguments, library=None, through=()):
        return subprocess.Popen([*through, *self.command(*arguments, library=library)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    @contextlib.contextmanager
    def serving(self, library=None, through=()):
        """The address of a server that holds the library."""
        process = self.start("serve", "--address", "127.0.0.1:0", "--http-address", "", "--json", library=library,
                             through=through)
        try:
            line = process.stdout.readline()
            self.assertTrue(line, f"serve said nothing; stderr: {process.stderr.read() if process.poll() else ''}")
            yield json.loads(line)["address"]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                _, err = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.fail("serve did not stop within 30 s of SIGTERM")
        self.assertEqual(process.returncode, 0, err)

    def copy_small_pictures(self, count=None):
        """Copies the small test pictures; returns their new paths."""
        copied = []
        for source in sorted(p for p in SMALL_PICTURES.iterdir() if p.is_file())[:count]:
            target = self.photos / source.name
            shutil.copyfile(source, target)
            copied.append(target)
        return copied


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
