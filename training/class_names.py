"""Names of the 1,000 ImageNet classes in the classifier's order, as people would type them."""

import importlib.util
from pathlib import Path

TEMPLATES = ("{}", "a {}", "a photo of a {}", "a picture of a {}", "a close up of a {}", "a {} in the scene")


def imagenet_class_names() -> list[str]:
    """OpenAI's curated names, read from the open_clip package without importing all of it."""
    package = Path(importlib.util.find_spec("open_clip").origin).parent
    spec = importlib.util.spec_from_file_location("zero_shot_metadata", package / "zero_shot_metadata.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.IMAGENET_CLASSNAMES)


def class_texts() -> list[str]:
    """Every template filled with every name; text t of class c is at c * len(TEMPLATES) + t."""
    return [template.format(name) for name in imagenet_class_names() for template in TEMPLATES]
