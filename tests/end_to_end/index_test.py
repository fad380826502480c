"""Indexing folders of real photos: what is new, unchanged, moved, removed; captions; stopping."""

import os
import shutil
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, debian_photos


class IndexTest(ProgramTest):
    def index(self, *arguments, code=0):
        result = self.run_program("index", self.photos, "--json", *arguments)
        self.assertEqual(result.code, code, result.err)
        return result.json

    def test_debian_photos_are_indexed_once(self):
        photos = debian_photos()
        self.assertGreaterEqual(len(photos), 15)
        for photo in photos:
            os.symlink(photo, self.photos / os.path.basename(photo))
        first = self.index()
        self.assertEqual((first["indexed"], first["failed"]), (len(photos), 0), first)
        second = self.index()
        self.assertEqual((second["indexed"], second["unchanged"]), (0, len(photos)), second)
        status = self.run_ok("status", "--json").json
        self.assertEqual(status["assets"], len(photos))
        self.assertEqual(status["index"]["vectors"], len(photos))

    def test_nothing_to_complain_of_is_nothing_on_standard_error(self):
        self.copy_small_pictures(3)
        for arguments in (["index", self.photos], ["index", self.photos], ["search", "a dog"], ["status"], ["verify"]):
            self.assertEqual(self.run_ok(*arguments, "--json").err, "", arguments)

    def test_moved_copied_changed_and_removed_files(self):
        pictures = self.copy_small_pictures()
        self.assertEqual(self.index()["failed"], 0)
        before = self.run_ok("status", "--json").json
        os.rename(pictures[0], self.photos / f"moved ü {pictures[0].name}")
        shutil.copy2(pictures[1], self.photos / f"copy of {pictures[1].name}")
        summary = self.index()
        self.assertEqual((summary["indexed"], summary["moved"], summary["removed"]), (0, 2, 1), summary)
        after = self.run_ok("status", "--json").json
        self.assertEqual(after["assets"], before["assets"])
        self.assertEqual(after["paths"], before["paths"] + 1)

        for entry in list(self.photos.iterdir())[:3]:
            entry.unlink()
        summary = self.index()
        self.assertEqual(summary["removed"], 3, summary)
        self.run_ok("verify", "--json")

    def test_captions_of_every_kind(self):
        pictures = self.copy_small_pictures(3)
        captions = self.folder / "captions.tsv"
        captions.write_text(f"{pictures[0].name}\ta sentence that nobody else wrote\n"
                            f"{pictures[1].name}\t0\tfirst of two\n{pictures[1].name}\t1\tsecond of two\n",
                            encoding="utf-8")
        (self.photos / f"{pictures[2].name}.txt").write_text("Grandma's 80th birthday\n", encoding="utf-8")
        summary = self.index("--captions", captions)
        self.assertEqual(summary["captions"], 4, summary)
        found = self.run_ok("caption", pictures[0], "--library-only", "--limit", "10", "--json").json_lines
        by_text = {caption["text"]: caption["source"] for caption in found}
        self.assertEqual(by_text, {"a sentence that nobody else wrote": "captions_file",
                                   "first of two": "captions_file", "second of two": "captions_file",
                                   "Grandma's 80th birthday": "sidecar"})

    def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(self):
        photos = debian_photos()
        for photo in photos:
            os.symlink(photo, self.photos / os.path.basename(photo))
        process = self.start("index", self.photos, "--json")
        time.sleep(1.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertIn(process.returncode, (0, 130), err)  # 0: it was done before the signal came
        self.assertNotIn(b"Traceback", err)
        summary = self.index()
        self.assertEqual(summary["indexed"] + summary["unchanged"], len(photos), summary)
        self.assertEqual(self.run_ok("status", "--json").json["assets"], len(photos))
        self.run_ok("verify")

    def test_a_missing_folder_is_reported_and_removes_nothing(self):
        self.copy_small_pictures(4)
        self.assertEqual(self.index()["indexed"], 4)
        away = self.folder / "away"
        self.photos.rename(away)
        result = self.run_program("index", self.photos, "--json")
        self.assertEqual(result.code, 3, result.err)
        self.assertEqual(result.json["removed"], 0)
        self.assertIn(str(self.photos), result.json["failures"][0]["path"])
        self.assertEqual(self.run_ok("status", "--json").json["assets"], 4)

    def test_wrong_usage(self):
        for arguments in ((), ("index",), ("search",), ("frobnicate",), ("search", "x", "--limit", "0"),
                          ("search", "x", "--no-such-flag"), ("caption",), ("similar",), ("completion", "tcsh")):
            result = self.run_program(*arguments)
            self.assertEqual(result.code, 2, f"{arguments}: {result.out}{result.err}")
            self.assertTrue(result.err.startswith("eidetic: "), result.err)

    def test_no_library(self):
        for arguments in (("search", "x"), ("status",), ("verify",)):
            result = self.run_program(*arguments)
            self.assertEqual(result.code, 1, f"{arguments}: {result.out}{result.err}")
            self.assertIn("eidetic index", result.err)
        self.assertFalse(self.library.exists())

    def test_what_needs_no_library_needs_no_home_folder(self):
        without = {name: value for name, value in os.environ.items()
                   if name not in ("HOME", "XDG_DATA_HOME", "EIDETIC_LIBRARY")}
        for arguments, code in ((("model", "list"), 0), (("completion", "bash"), 0), (("status",), 2)):
            done = subprocess.run([PROGRAM, *arguments], env=without, capture_output=True, check=False)
            self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
            if code != 0:
                self.assertIn(b"--library", done.stderr)

    def test_help_of_every_command(self):
        for command in ("index", "search", "similar", "caption", "serve", "status", "verify", "evaluate", "model",
                        "completion"):
            result = self.run_ok(command, "--help")
            self.assertIn("Usage", result.out)

    def test_completion_scripts_parse(self):
        for shell, check in (("bash", ["bash", "-n"]),):
            script = self.run_ok("completion", shell).out
            subprocess.run(check, input=script.encode(), check=True)
        words = subprocess.run(
            ["bash", "-c", 'source /dev/stdin; COMP_WORDS=(eidetic sea); COMP_CWORD=1; _eidetic; echo "${COMPREPLY[@]}"'],
            input=self.run_ok("completion", "bash").out.encode(), check=True, capture_output=True).stdout
        self.assertEqual(words.decode().split(), ["search"])


if __name__ == "__main__":
    unittest.main()
