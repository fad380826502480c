"""Search, similar and caption over the Debian photos, by the program and over gRPC by a foreign client."""

import concurrent.futures
import os
import pathlib
import shutil
import tempfile
import time
import unittest

import grpc

from program import ProgramTest, debian_photos
from reflection_client import ReflectionClient


class SearchTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="eidetic e2e search "))
        folder = cls.shared / "photos"
        folder.mkdir()
        cls.paths = []
        for photo in debian_photos():
            cls.paths.append(str(folder / os.path.basename(photo)))
            os.symlink(photo, cls.paths[-1])
        (cls.shared / "captions.tsv").write_text(
            f"{os.path.basename(cls.paths[0])}\ta footbridge photographed for a test\n", encoding="utf-8")
        made = cls("test_explain")
        made.setUp()
        made.run_ok("index", folder, "--captions", cls.shared / "captions.tsv", library=cls.shared / "library")
        made.tearDown()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    def setUp(self):
        super().setUp()
        self.library = self.shared / "library"

    def test_text_finds_pictures(self):
        hits = self.run_ok("search", "a bird on a branch", "--json", "--limit", "5").json_lines
        self.assertEqual([hit["rank"] for hit in hits], [1, 2, 3, 4, 5])
        self.assertEqual(sorted((hit["score"] for hit in hits), reverse=True), [hit["score"] for hit in hits])
        self.assertTrue(all(hit["path"] in self.paths and len(hit["id"]) == 32 for hit in hits), hits)
        # Kleiber is German for nuthatch.
        self.assertIn("Kleiber", " ".join(hit["path"] for hit in hits[:3]))

    def test_confidence_tells_what_is_there_from_what_is_not(self):
        sea = self.run_ok("search", "a sunset over the sea", "--json", "--limit", "1").json
        absent = self.run_ok("search", "a spreadsheet", "--json", "--limit", "1").json
        self.assertGreater(sea["confidence"], 2 * absent["confidence"])
        cut = self.run_ok("search", "a spreadsheet", "--min-confidence", "0.3")
        self.assertIn("Nothing in the library seems to match", cut.out)
        refused = self.run_program("search", "a", "--min-confidence", "2")
        self.assertEqual(refused.code, 2)

    def test_words_find_files_by_name(self):
        # Debian's photos say nothing of their names.
        for path in self.paths[:3]:
            name = pathlib.Path(path).stem
            hits = self.run_ok("search", name, "--json", "--limit", "3").json_lines
            self.assertEqual(hits[0]["path"], path)
            self.assertTrue(hits[0]["matched_words"])
        shown = self.run_ok("search", "footbridge photographed", "--limit", "1", "--explain")
        self.assertIn(f"{self.paths[0]}  (footbridge, photographed)", shown.out)
        self.assertIn('words "footbridge photographed" name 1 photos', shown.out)
        without = self.run_ok("search", name, "--no-words", "--json", "--explain").json_lines
        self.assertFalse(any("matched_words" in line for line in without))
        self.assertNotIn("words", without[-1]["explanation"])

    def test_filter(self):
        hits = self.run_ok("search", "a photo", "--filter", "has:caption", "--json").json_lines
        self.assertEqual([hit["path"] for hit in hits], [self.paths[0]])
        near = self.run_ok("similar", self.paths[0], "--filter", 'extension = JPG AND path:"/photos/" AND NOT has:caption',
                           "--json").json_lines
        self.assertEqual(len(near), 10)
        self.assertNotIn(self.paths[0], [hit["path"] for hit in near])
        portrait = self.run_ok("search", "a photo", "--filter", "orientation = portrait", "--json").json_lines
        landscape = self.run_ok("search", "a photo", "--filter", "-orientation = portrait", "--json", "--limit",
                                "100").json_lines
        self.assertEqual(len(portrait) + len(landscape), len(self.paths))
        self.assertTrue(all(hit["width"] >= hit["height"] for hit in landscape))
        mistake = self.run_program("search", "a photo", "--filter", "colour = red")
        self.assertEqual(mistake.code, 1)
        self.assertIn("at character 1", mistake.err)

    def test_queries_file(self):
        queries = self.folder / "queries.txt"
        queries.write_text("a sunset\nwine\n\nthe sea\n", encoding="utf-8")
        answers = self.run_ok("search", "--queries", queries, "--json", "--limit", "2").json_lines
        self.assertEqual([answer["query"] for answer in answers], ["a sunset", "wine", "the sea"])
        self.assertTrue(all(len(answer["results"]) == 2 for answer in answers))
        alone = self.run_ok("search", "wine", "--json", "--limit", "2").json_lines
        self.assertEqual(answers[1]["results"], alone)

    def test_a_picture_is_most_similar_to_itself(self):
        for path in self.paths[:3]:
            hits = self.run_ok("similar", path, "--json", "--limit", "3").json_lines
            self.assertEqual(hits[0]["path"], path)
            self.assertGreater(hits[0]["score"], 0.999)
        by_id = self.run_ok("similar", "--id", hits[0]["id"], "--json", "--limit", "3").json_lines
        self.assertEqual([hit["id"] for hit in by_id], [hit["id"] for hit in hits])

    def test_text_with_picture_and_not(self):
        hits = self.run_ok("search", "at night", "--image", self.paths[0], "--json").json_lines
        self.assertEqual(len(hits), 10)
        with_not = self.run_ok("search", "nature", "--not", "water", "--json", "--limit", "15").json_lines
        without = self.run_ok("search", "nature", "--json", "--limit", "15").json_lines
        self.assertNotEqual([hit["id"] for hit in with_not], [hit["id"] for hit in without])

    def test_captions_say_their_source(self):
        captions = self.run_ok("caption", self.paths[0], "--json", "--limit", "1000").json_lines
        sources = {caption["source"] for caption in captions}
        self.assertEqual(sources, {"phrase_bank"} | ({"captions_file"} & sources))
        own = self.run_ok("caption", self.paths[0], "--library-only", "--json").json_lines
        self.assertEqual([(own[0]["text"], own[0]["source"])],
                         [("a footbridge photographed for a test", "captions_file")])

    def test_bad_pictures_are_named_and_the_others_served(self):
        bad = self.folder / "bad.jpg"
        bad.write_bytes(b"\xff\xd8\xff nonsense")
        result = self.run_program("caption", bad, self.paths[0], "--json")
        self.assertEqual(result.code, 3)
        self.assertIn(str(bad), result.err)
        self.assertEqual({line["image"] for line in result.json_lines}, {self.paths[0]})
        self.assertEqual(self.run_program("similar", bad).code, 1)

    def test_explain(self):
        lines = self.run_ok("search", "x", "--json", "--explain", "--limit", "1").json_lines
        self.assertEqual(lines[-1]["explanation"]["plan"], "exact")
        self.assertEqual(lines[-1]["explanation"]["live_size"], len(self.paths))

    def test_commands_go_through_the_server_that_holds_the_library(self):
        direct = self.run_ok("search", "wine", "--json").out
        with self.serving() as address:
            self.assertEqual(self.run_ok("search", "wine", "--json").out, direct)
            status = self.run_ok("status", "--json").json
            self.assertEqual(status["holder"]["address"], address)
            second = self.run_program("serve", "--address", "127.0.0.1:0", "--http-address", "")
            self.assertEqual(second.code, 1)
            self.assertIn(str(status["holder"]["pid"]), second.err)
            picture = self.copy_small_pictures(1)[0]
            self.assertEqual(self.run_ok("index", self.photos, "--json").json["indexed"], 1)
            hits = self.run_ok("similar", picture, "--json", "--limit", "1").json_lines
            self.assertEqual(hits[0]["path"], str(picture))
            self.run_ok("verify")
            picture.unlink()
            self.assertEqual(self.run_ok("index", self.photos, "--json").json["removed"], 1)

    def test_a_foreign_client_over_reflection(self):
        with self.serving() as address:
            client = ReflectionClient(address)
            self.addCleanup(client.close)
            self.assertLessEqual({"eidetic.v1.SearchService", "eidetic.v1.LibraryService",
                                  "eidetic.v1.EncoderService", "grpc.health.v1.Health"}, set(client.services()))
            search = "eidetic.v1.SearchService/Search"
            answer = client.call(search, terms=[{"text": "a sunset"}], page_size=3, no_words=True)
            self.assertEqual([hit.rank for hit in answer.hits], [1, 2, 3])
            self.assertTrue(all(hit.asset.paths[0] in self.paths for hit in answer.hits))
            second = client.call(search, terms=[{"text": "a sunset"}], page_size=3, no_words=True,
                                 page_token=answer.next_page_token)
            self.assertEqual([hit.rank for hit in second.hits], [4, 5, 6])
            self.assertFalse({h.asset.asset_id for h in answer.hits} & {h.asset.asset_id for h in second.hits})

            picture = pathlib.Path(self.paths[0]).read_bytes()
            captions = client.call("eidetic.v1.SearchService/Caption", query={"image": picture}, page_size=5)
            self.assertEqual(len(captions.captions), 5)
            self.assertTrue(all(caption.text and caption.source for caption in captions.captions))

            vectors = client.call("eidetic.v1.EncoderService/Embed",
                                  inputs=[{"text": "a sunset"}, {"image": picture}]).embeddings
            by_vector = client.call(search, terms=[{"embedding": {"values": vectors[0].values}}], page_size=3)
            self.assertEqual([h.asset.asset_id for h in by_vector.hits], [h.asset.asset_id for h in answer.hits])

            items = [{"asset": {"asset_id": f"imported-{i}", "embedding": {"values": vectors[i % 2].values},
                                "captions": [f"imported caption {i}"]}} for i in range(50)]
            items.insert(10, {"asset": {"asset_id": "no good", "image": b"nonsense"}})
            items.insert(20, {"asset": {"image": picture, "attributes": {"album": "test"}}})
            imported = client.call_with_stream("eidetic.v1.LibraryService/ImportAssets", items)
            self.assertEqual((imported.imported_count, imported.failed_count), (51, 1))
            self.assertEqual(imported.failures[0].position, 10)
            for _ in range(100):
                found = client.call(search, terms=[{"embedding": {"values": vectors[0].values}}], page_size=40)
                same = [h for h in found.hits if h.asset.asset_id.startswith("imported-") and h.score > 0.999]
                if len(same) == 25:
                    break
                time.sleep(0.01)
            self.assertEqual(len(same), 25)
            for i in range(50):
                client.call("eidetic.v1.LibraryService/DeleteAsset", asset_id=f"imported-{i}")
            with self.assertRaises(grpc.RpcError) as missing:
                client.call("eidetic.v1.LibraryService/GetAsset", asset_id="imported-1")
            self.assertEqual(missing.exception.code(), grpc.StatusCode.NOT_FOUND)

            with self.assertRaises(grpc.RpcError) as refused:
                client.call(search, terms=[])
            self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertIn("grpc-status-details-bin", dict(refused.exception.trailing_metadata()))

    def test_many_clients_get_the_same_answers(self):
        with self.serving() as address:
            expected = {}
            queries = [f"a photo of {word}" for word in ("water", "a bird", "wine", "a bridge", "flowers", "the sky")]

            def ask(query):
                client = ReflectionClient(address)
                try:
                    hits = client.call("eidetic.v1.SearchService/Search", terms=[{"text": query}], page_size=5).hits
                    return query, [(hit.asset.asset_id, hit.score) for hit in hits]
                finally:
                    client.close()

            for query in queries:
                expected.update([ask(query)])
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for query, hits in pool.map(ask, queries * 20):
                    self.assertEqual(hits, expected[query])


if __name__ == "__main__":
    unittest.main()
