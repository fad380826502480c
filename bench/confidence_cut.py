#!/usr/bin/env python3
"""What a cut by confidence keeps and what it leaves out, through the real program.

    python3 bench/confidence_cut.py --images DIR --captions TSV --list dev_images.txt

Positives: each caption of a photo and that photo. Negatives: queries about things that the library does not show
(bench/absent_queries.txt, written for Flickr8k's dev photos; no noun of theirs names what a caption names). Writes
Markdown: the cut at several confidences, and how often a confidence is right (reliability; both classes weigh the same).
The library is made without captions, so that confidence rests on the default curve and the background alone.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import tempfile

BENCH = pathlib.Path(__file__).resolve().parent
CUTS = (0.05, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5)
LIMIT = 10


def search(program, library, queries):
    """One list of (file name, confidence) a query, the nearest ten, nothing left out."""
    listed = subprocess.run(
        [program, "--library", library, "search", "--queries", "-", "--limit", str(LIMIT), "--all", "--json"],
        input="\n".join(queries) + "\n", capture_output=True, text=True, check=True).stdout.splitlines()
    results = [[(os.path.basename(hit["path"]), hit["confidence"]) for hit in json.loads(line)["results"]]
               for line in listed]
    assert len(results) == len(queries), f"{len(queries)} queries, {len(results)} answers"
    return results


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default=str(BENCH.parent / "build" / "eidetic"))
    arguments.add_argument("--images", type=pathlib.Path, required=True)
    arguments.add_argument("--captions", type=pathlib.Path, required=True)
    arguments.add_argument("--list", type=pathlib.Path, required=True)
    arguments.add_argument("--absent", type=pathlib.Path, default=BENCH / "absent_queries.txt")
    chosen = arguments.parse_args()

    names = set(chosen.list.read_text(encoding="utf-8").split())
    captions = [(line.split("\t")[0], line.split("\t")[-1]) for line in
                chosen.captions.read_text(encoding="utf-8").splitlines()]
    captions = [(name, text) for name, text in captions if name in names and text.strip()]
    absent = [line for line in chosen.absent.read_text(encoding="utf-8").splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        photos = pathlib.Path(folder) / "photos"
        photos.mkdir()
        for name in names:
            (photos / name).symlink_to((chosen.images / name).resolve())
        library = os.path.join(folder, "library")
        subprocess.run([chosen.program, "--library", library, "index", photos, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        present_hits = search(chosen.program, library, [text for _, text in captions])
        absent_hits = search(chosen.program, library, absent)

    # Confidence of the caption's own photo, where it is among the ten.
    own = [next((confidence for path, confidence in hits if path == name), None)
           for (name, _), hits in zip(captions, present_hits)]
    found = [confidence for confidence in own if confidence is not None]
    print(f"{len(captions)} captions of {len(names)} photos, {len(absent)} queries about absent things; {LIMIT} hits each, "
          f"recall@{LIMIT} without a cut {len(found) / len(own):.3f}\n")
    print("| cut | right photo kept | recall@10 | captions answered | hits | absent answered | hits | precision of answering |")
    print("|---|---|---|---|---|---|---|---|")
    for cut in CUTS:
        def answered(results):
            kept = [sum(confidence >= cut for _, confidence in hits) for hits in results]
            return sum(count > 0 for count in kept) / len(kept), sum(kept) / len(kept)

        kept = sum(confidence >= cut for confidence in found)
        present_share, present_mean = answered(present_hits)
        absent_share, absent_mean = answered(absent_hits)
        # As if half of all queries were about absent things.
        precision = present_share / (present_share + absent_share)
        print(f"| {cut:.2f} | {kept / len(found):.3f} | {kept / len(own):.3f} | {present_share:.3f} | {present_mean:.1f} | "
              f"{absent_share:.3f} | {absent_mean:.1f} | {precision:.3f} |")

    print("\n| confidence | right photos | best hits of absent things | share right, classes weighing the same |")
    print("|---|---|---|---|")
    nothing = [hits[0][1] for hits in absent_hits if hits]
    bins = collections.defaultdict(lambda: [0, 0])
    for index, values in enumerate((found, nothing)):
        for confidence in values:
            bins[min(int(confidence * 10), 9)][index] += 1
    for step in range(10):
        right, wrong = bins[step]
        weighted = right / len(found), wrong / len(nothing)
        share = f"{weighted[0] / sum(weighted):.2f}" if right + wrong else "none"
        print(f"| {step / 10:.1f} to {step / 10 + 0.1:.1f} | {right} | {wrong} | {share} |")


if __name__ == "__main__":
    main()
