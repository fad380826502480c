"""Captioned picture sets: which pictures and captions are learnt from and which are held out."""

from dataclasses import dataclass
from pathlib import Path

HELD_OUT_LIST = Path(__file__).with_name("out_of_domain_dev.txt")


@dataclass(frozen=True)
class CaptionedPicture:
    """One picture file and every caption written for it."""

    path: Path
    captions: tuple[str, ...]


def read_captions(tsv: Path) -> dict[str, list[str]]:
    """Captions by picture name, in file order. Lines: image⇥caption or image⇥index⇥caption."""
    captions: dict[str, list[str]] = {}
    for line in tsv.read_text(encoding="utf-8").splitlines():
        name, *_, caption = line.split("\t")
        if caption.strip():
            captions.setdefault(name, []).append(caption.strip())
    return captions


def read_list(path: Path) -> list[str]:
    """Non-empty lines of a list file."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _pictures(folder: Path, names: list[str]) -> list[CaptionedPicture]:
    captions = read_captions(folder / "captions.tsv")
    return [CaptionedPicture(folder / "images" / name, tuple(captions[name])) for name in names]


def _extra_names(folder: Path, held_out: bool) -> list[str]:
    chosen = {line.split("/", 1)[1] for line in read_list(HELD_OUT_LIST) if line.startswith(folder.name + "/")}
    return [name for name in sorted(read_captions(folder / "captions.tsv")) if (name in chosen) == held_out]


def training_pictures(data: Path) -> list[CaptionedPicture]:
    """Flickr8k's training list and what is not held out of COCO and Pascal."""
    flickr = data / "flickr8k"
    pictures = _pictures(flickr, read_list(flickr / "train_images.txt"))
    for name in ("coco_hf2k", "pascal_sentences"):
        folder = data / "extra" / name
        pictures += _pictures(folder, _extra_names(folder, held_out=False))
    return pictures


def flickr8k_dev(data: Path) -> list[CaptionedPicture]:
    """The 1,000 development pictures that variants are chosen on."""
    return _pictures(data / "flickr8k", read_list(data / "flickr8k" / "dev_images.txt"))


def out_of_domain_dev(data: Path) -> list[CaptionedPicture]:
    """COCO and Pascal pictures named in out_of_domain_dev.txt: never learnt from."""
    pictures = []
    for name in ("coco_hf2k", "pascal_sentences"):
        folder = data / "extra" / name
        pictures += _pictures(folder, _extra_names(folder, held_out=True))
    return pictures
