"""What the frozen towers say about each picture and caption, kept on disk so that a run can resume."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from picture_views import plain_view, random_view
from text_tower import FEATURES, tokenizer

BATCH = 16
THREADS = 2


def open_session(model: bytes | str) -> onnxruntime.InferenceSession:
    """A CPU session with the number of threads that all measurements use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def show_progress(what: str, items: Sequence, batch: int) -> Iterator[Sequence]:
    """Slices of `items`, with a line of progress every few seconds on standard error."""
    began = shown = time.monotonic()
    for start in range(0, len(items), batch):
        yield items[start:start + batch]
        now, done = time.monotonic(), min(start + batch, len(items))
        if now - shown > 10 or done == len(items):
            shown = now
            print(f"{what}: {done}/{len(items)}, {done / (now - began):.0f}/s", file=sys.stderr, flush=True)


class FeatureCache:
    """Folder of .npy files; each is computed once and written whole."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array called `name`, computed when it is not there yet."""
        path = self._folder / f"{name}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial")
            with partial.open("wb") as out:
                np.save(out, compute())
            partial.rename(path)
        return np.load(path, mmap_mode="r")


def picture_features(session: onnxruntime.InferenceSession, paths: Sequence[Path], size: int,
                     view: int) -> np.ndarray:
    """Features of every picture: view 0 is the plain one, the others are framed at random."""
    def read(item: tuple[int, Path]) -> np.ndarray:
        index, path = item
        return plain_view(path, size) if view == 0 else random_view(path, size, (view, index))

    rows = []
    with ThreadPoolExecutor(THREADS) as readers:
        for items in show_progress(f"pictures, view {view}", list(enumerate(paths)), BATCH):
            pixels = np.stack(list(readers.map(read, items)))
            rows.append(session.run(["pooled_features"], {"pixel_values": pixels})[0])
    return np.concatenate(rows)


def text_features(session: onnxruntime.InferenceSession, texts: Sequence[str]) -> np.ndarray:
    """Mean-pooled features of every text; texts of like length share a batch."""
    tokens = tokenizer()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    rows = np.empty((len(texts), FEATURES), np.float32)
    for chosen in show_progress("texts", order, BATCH):
        encoded = tokens.encode_batch([texts[index] for index in chosen])
        rows[chosen] = session.run(["pooled_features"], {
            "input_ids": np.array([text.ids for text in encoded], np.int64),
            "attention_mask": np.array([text.attention_mask for text in encoded], np.int64)})[0]
    return rows
