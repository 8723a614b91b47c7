"""Attribute vectors: what labels say about directions in a latent space."""

from __future__ import annotations

import numpy as np

from dgm_studio.questions.latent import Embedding

OVERALL = -1  # stands for all examples where a class is chosen


def mean_code(embedding: Embedding, label: int) -> np.ndarray | None:
    """The mean of the codes of a class, or of all examples where `label` is OVERALL: (L,). None without examples."""
    chosen = embedding.means if label == OVERALL else embedding.means[embedding.y == label]
    return chosen.mean(0) if len(chosen) else None


def attribute(embedding: Embedding, plus: int, minus: int) -> np.ndarray | None:
    """The mean code of one class less that of another, or of all: (L,). Added to a code it adds what sets the class
    apart (Larsen et al., 2016, "Autoencoding beyond pixels"). None where a class has no examples."""
    ends = mean_code(embedding, plus), mean_code(embedding, minus)
    return None if ends[0] is None or ends[1] is None else ends[0] - ends[1]
