"""The default model on Flickr8k's development split, through the program: at least the bar of the model card."""

import os
import pathlib
import unittest

from program import SOURCE_DIR, ProgramTest

FLICKR8K = pathlib.Path(os.environ.get("EIDETIC_FLICKR8K", SOURCE_DIR.parent / "shared" / "data" / "flickr8k"))


class EvaluateTest(ProgramTest):
    def test_recall_on_flickr8k_dev(self):
        recall = self.run_ok("evaluate", "--images", FLICKR8K / "images", "--captions", FLICKR8K / "captions.tsv",
                             "--list", FLICKR8K / "dev_images.txt", "--json").json
        self.assertEqual((recall["images"], recall["captions"]), (1000, 5000))
        for cutoff, bar in (("recall@1", 0.20), ("recall@5", 0.46), ("recall@10", 0.60)):
            self.assertGreaterEqual(recall["text_to_image"][cutoff], bar, recall)
            self.assertGreaterEqual(recall["image_to_text"][cutoff], bar, recall)


if __name__ == "__main__":
    unittest.main()
