"""Projection heads: frozen features of either tower to the joint space."""

import torch
from torch import nn
from torch.nn import functional as F

DIMENSION = 256


class ImageHead(nn.Module):
    """Linear + MLP over the pooled features, plus what the ImageNet classifier recognises.

    Each ImageNet class has a vector in the joint space; a picture adds those of its likely classes.
    """

    def __init__(self, classifier_weight: torch.Tensor, classifier_bias: torch.Tensor, hidden: int, dropout: float):
        super().__init__()
        classes, features = classifier_weight.shape
        self.register_buffer("classifier_weight", classifier_weight)
        self.register_buffer("classifier_bias", classifier_bias)
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_std", torch.ones(features))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, DIMENSION)
        self.widen, self.narrow = nn.Linear(features, hidden), nn.Linear(hidden, DIMENSION)
        self.class_vectors = nn.Parameter(torch.randn(classes, DIMENSION) * 0.02)

    def class_probabilities(self, features: torch.Tensor) -> torch.Tensor:
        return torch.softmax(F.linear(features, self.classifier_weight, self.classifier_bias), dim=-1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.dropout((features - self.feature_mean) / self.feature_std)
        own = self.linear(x) + self.narrow(self.dropout(F.relu(self.widen(x))))
        return F.normalize(own + self.class_probabilities(features) @ self.class_vectors, dim=-1)


class TextHead(nn.Module):
    """Linear + MLP over the mean-pooled features."""

    def __init__(self, features: int, hidden: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, DIMENSION)
        self.widen, self.narrow = nn.Linear(features, hidden), nn.Linear(hidden, DIMENSION)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.dropout(features)
        return F.normalize(self.linear(x) + self.narrow(self.dropout(F.relu(self.widen(x)))), dim=-1)
