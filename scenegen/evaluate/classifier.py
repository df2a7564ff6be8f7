"""Classifier two-sample test: can a small network tell generated scenes from held-out ones?"""

from __future__ import annotations

import numpy as np
import torch

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.evaluate.intervals import NOTHING, Estimate, bootstrap

WIDTH, EPOCHS, BATCH, RATE, DECAY = 48, 20, 128, 3e-3, 1e-4
"""A deep set of two layers per agent and two per scene, trained by Adam; figures are its own."""


def auc(scores: FloatArray, labels: FloatArray) -> float:
    """Area under the ROC curve: P(score of a 1 > score of a 0), ties count half (Mann-Whitney).

    Args:
        scores: Scores, shape (n,).
        labels: 0 or 1, shape (n,).

    Returns:
        0 to 1; nan where a class is empty.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    ones = labels > 0.5
    n, m = int(ones.sum()), int((~ones).sum())
    if n == 0 or m == 0:
        return float("nan")
    _, index, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    ranks = (ends - (sizes - 1) / 2.0)[index]
    return float((ranks[ones].sum() - n * (n + 1) / 2.0) / (n * m))


def c2st(
    found: FloatArray,
    found_present: BoolArray,
    reference: FloatArray,
    reference_present: BoolArray,
    sites: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    *,
    epochs: int = EPOCHS,
    resamples: int = 200,
) -> Estimate:
    """Classifier two-sample test (Lopez-Paz and Oquab, 2017), as an area under the ROC curve.

    The pooled scenes are dealt into two halves; a network trained on one scores the other, and
    the other way round, so that no scene is scored by a network that has seen it. The two areas
    are averaged. 0.5 means the sets cannot be told apart; below 0.5 is chance.

    Args:
        found: Numbers of every agent of the generated scenes, shape (S, A, d).
        found_present: Which agents are there, shape (S, A).
        reference: The same of the reference, shape (R, A, d).
        reference_present: Shape (R, A).
        sites: Sites of both; no site is in the half that a network is trained on and in the
            half that it scores.
        rng: Random numbers of dealing, initial weights and bootstrap.
        epochs: Passes over the training half.
        resamples: Bootstrap samples of the scored scenes.

    Returns:
        Area with its interval; nan where a set has less than eight scenes.
    """
    check_shape("reference", reference, *found.shape[1:])
    if min(len(found), len(reference)) < 8:
        return NOTHING
    inputs = np.concatenate([found, reference]).astype(np.float32)
    present = np.concatenate([found_present, reference_present]).astype(np.float32)
    labels = np.concatenate([np.ones(len(found)), np.zeros(len(reference))]).astype(np.float32)
    scale = inputs[present > 0]
    mean, deviation = scale.mean(0), scale.std(0) + 1e-3
    inputs = (inputs - mean) / deviation * present[..., None]
    # The same road in both sets must not be told apart by having been seen: sites are dealt.
    site = np.concatenate(sites)
    known = np.unique(site)
    fold = np.isin(site, rng.permutation(known)[: len(known) // 2]).astype(np.int64)
    scores = np.zeros(len(labels))
    for side in (0, 1):
        train, test = fold == side, fold != side
        network = _fit(inputs[train], present[train], labels[train], rng, epochs)
        with torch.no_grad():
            scores[test] = _score(network, _tensor(inputs[test]), _tensor(present[test])).numpy()

    def area(rows: IntArray) -> float:
        sides = [rows[fold[rows] == side] for side in (0, 1)]
        return float(np.nanmean([auc(scores[side], labels[side]) for side in sides]))

    return bootstrap(area, site, rng, resamples)


def _fit(
    inputs: FloatArray,
    present: FloatArray,
    labels: FloatArray,
    rng: np.random.Generator,
    epochs: int,
) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    network = _network(inputs.shape[-1], generator)
    optimiser = torch.optim.Adam(network, lr=RATE, weight_decay=DECAY)
    x, mask, y = _tensor(inputs), _tensor(present), _tensor(labels)
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(labels)))
        for rows in torch.split(order, BATCH):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                _score(network, x[rows], mask[rows]), y[rows]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network


def _network(inputs: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Weights and biases of the four layers."""
    shapes = [(inputs, WIDTH), (WIDTH, WIDTH), (2 * WIDTH + 1, WIDTH), (WIDTH, 1)]
    out: list[torch.Tensor] = []
    for rows, columns in shapes:
        weight = torch.randn(rows, columns, generator=generator) * (2.0 / rows) ** 0.5
        out += [weight.requires_grad_(), torch.zeros(columns, requires_grad=True)]
    return out


def _score(network: list[torch.Tensor], x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logit that a scene is generated, shape (S,)."""
    w1, b1, w2, b2, w3, b3, w4, b4 = network
    hidden = torch.relu(torch.relu(x @ w1 + b1) @ w2 + b2) * mask[..., None]
    number = mask.sum(-1, keepdim=True)
    mean = hidden.sum(1) / number.clamp(min=1.0)
    pooled = torch.cat([mean, hidden.amax(1), number / mask.shape[1]], -1)
    return (torch.relu(pooled @ w3 + b3) @ w4 + b4)[:, 0]


def _tensor(array: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
