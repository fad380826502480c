"""Train both heads on cached features: symmetric InfoNCE on captions, plus what the classifier knows."""

import copy
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from class_names import TEMPLATES
from heads import ImageHead, TextHead

FLOOR_OF_CONFIDENCE = 0.3


@dataclass(frozen=True)
class Settings:
    """What was chosen on the development pictures (training/README.md has the figures)."""

    seed: int = 0
    epochs: int = 40
    batch: int = 1024
    learning_rate: float = 2e-3
    warm_up_steps: int = 30
    weight_decay: float = 0.1
    hidden: int = 512
    image_dropout: float = 0.3
    text_dropout: float = 0.1
    temperature: float = 0.07
    class_weight: float = 0.3
    average_decay: float = 0.995


@dataclass(frozen=True)
class TrainingFeatures:
    """Cached features: `views[v][i]` of picture i, `captions[c]` of picture `owners[c]` (ascending), class texts."""

    views: Sequence[np.ndarray]
    captions: np.ndarray
    owners: np.ndarray
    class_texts: np.ndarray


class DualHeads(torch.nn.Module):
    """Both heads and the learned temperature."""

    def __init__(self, image: ImageHead, text: TextHead, temperature: float):
        super().__init__()
        self.image, self.text = image, text
        self.log_scale = torch.nn.Parameter(torch.tensor(-math.log(temperature)))


def new_heads(classifier_weight: np.ndarray, classifier_bias: np.ndarray, features: TrainingFeatures,
              settings: Settings) -> DualHeads:
    """Untrained heads that standardise image features by the plain views' statistics."""
    torch.manual_seed(settings.seed)
    image = ImageHead(torch.tensor(classifier_weight), torch.tensor(classifier_bias), settings.hidden,
                      settings.image_dropout)
    plain = torch.tensor(np.asarray(features.views[0], np.float32))
    image.feature_mean.copy_(plain.mean(dim=0))
    image.feature_std.fill_(plain.std(dim=0).mean())
    text = TextHead(features.captions.shape[1], settings.hidden, settings.text_dropout)
    return DualHeads(image, text, settings.temperature)


def train(heads: DualHeads, features: TrainingFeatures, settings: Settings,
          report: Callable[[DualHeads], str]) -> DualHeads:
    """The exponential average of the weights over the run; `report` is printed every ten epochs."""
    random = np.random.default_rng(settings.seed)
    pictures = len(features.views[0])
    views = [torch.tensor(np.asarray(view, np.float32)) for view in features.views]
    captions = torch.tensor(np.asarray(features.captions))
    first, count = np.searchsorted(features.owners, np.arange(pictures)), np.bincount(features.owners)
    class_texts = torch.tensor(np.asarray(features.class_texts))
    optimiser = _optimiser(heads, settings)
    average = copy.deepcopy(heads).eval()
    steps, step = settings.epochs * (pictures // settings.batch), 0
    for epoch in range(1, settings.epochs + 1):
        heads.train()
        order = random.permutation(pictures)
        for start in range(0, pictures - settings.batch + 1, settings.batch):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * _schedule(step, steps, settings.warm_up_steps)
            chosen = order[start:start + settings.batch]
            image_features = _random_views(views, chosen, random)
            text_features = captions[first[chosen] + random.integers(count[chosen])]
            templates = torch.tensor(random.integers(len(TEMPLATES), size=len(class_texts)))
            classes = class_texts[torch.arange(len(class_texts)), templates]
            loss = _loss(heads, image_features, text_features, classes, settings.class_weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            _follow(average, heads, min(settings.average_decay, (1 + step) / (10 + step)))
        if epoch % 10 == 0 or epoch == settings.epochs:
            print(f"heads, epoch {epoch}: loss {loss.item():.3f}; {report(average)}", file=sys.stderr, flush=True)
    return average


def _loss(heads: DualHeads, image_features: torch.Tensor, text_features: torch.Tensor, class_features: torch.Tensor,
          class_weight: float) -> torch.Tensor:
    scale = heads.log_scale.exp()
    images, texts, class_texts = heads.image(image_features), heads.text(text_features), heads.text(class_features)
    matching = _symmetric(scale * images @ texts.T)
    class_matching = _symmetric(scale * F.normalize(heads.image.class_vectors, dim=-1) @ class_texts.T)
    seen = heads.image.class_probabilities(image_features)
    sure = (seen.amax(dim=1) > FLOOR_OF_CONFIDENCE).float()
    naming = -(seen * F.log_softmax(scale * images @ class_texts.T, dim=-1)).sum(dim=1)
    named = (naming * sure).sum() / sure.sum().clamp(min=1)
    return matching + class_weight * (class_matching + named)


def _symmetric(logits: torch.Tensor) -> torch.Tensor:
    """InfoNCE both ways; row i matches column i."""
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _random_views(views: Sequence[torch.Tensor], chosen: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    drawn = random.integers(len(views), size=len(chosen))
    return torch.stack([views[view][picture] for view, picture in zip(drawn, chosen)])


def _optimiser(heads: DualHeads, settings: Settings) -> torch.optim.Optimizer:
    matrices = [parameter for parameter in heads.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in heads.parameters() if parameter.dim() <= 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": settings.weight_decay},
                              {"params": others, "weight_decay": 0}], lr=settings.learning_rate)


def _schedule(step: int, steps: int, warm_up: int) -> float:
    return min(1, (step + 1) / warm_up) * (1 + math.cos(math.pi * step / steps)) / 2


@torch.no_grad()
def _follow(average: DualHeads, heads: DualHeads, decay: float) -> None:
    for kept, current in zip(average.parameters(), heads.parameters()):
        kept.lerp_(current, 1 - decay)
