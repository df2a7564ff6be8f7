"""How like two sets of pictures are, and how near a picture is to its target.

No measure needs weights from elsewhere: features are those of fixed random convolutions (Lee et
al., AAAI 2023), never the ones that models are trained against. Pictures are tones of shape
(n, 3, H, W) in 0 to 1.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from scenegen.appearance.camera_losses import RandomFeatures
from scenegen.arrays import FloatArray, IntArray
from scenegen.render.camera_response import LUMINANCE
from scenegen.seeding import stream

NETS = (11, 12, 13)
"""Seeds of the random networks whose features are measured."""
WIDTHS = (24, 48, 96, 128)
"""Channels of their layers."""
BANDS = ("fine", "middle", "coarse")
"""Bands of the Laplacian pyramid, the finest first."""
PATCH, PATCHES, DIRECTIONS = 7, 64, 96
"""Edge of the patches [pixels], patches per picture, and directions they are projected on."""
NEIGHBOURS = 5
"""Neighbours whose distance makes the ball of a picture in `coverage`."""


@torch.no_grad()
def random_features(pictures: FloatArray, net: int) -> FloatArray:
    """Mean and spread of each feature map of the last two layers of a random network.

    Args:
        pictures: Shape (n, 3, H, W).
        net: Seed of the network.

    Returns:
        Shape (n, 2 (WIDTHS[-2] + WIDTHS[-1])), float64.
    """
    network = RandomFeatures(net, WIDTHS)
    rows = []
    for picture in pictures:
        maps = network(torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None])[-2:]
        parts = [part for m in maps for part in (m.mean((0, 2, 3)), m.std((0, 2, 3)))]
        rows.append(torch.cat(parts).numpy())
    return np.array(rows, np.float64)


def standardized(features: FloatArray, reference: FloatArray) -> FloatArray:
    """Features less the mean of a reference, over its spread."""
    return np.asarray((features - reference.mean(0)) / (reference.std(0) + 1e-9))


def kernel_distance(x: FloatArray, y: FloatArray) -> float:
    """Unbiased squared MMD with the kernel (x y / d + 1)^3 of KID (Binkowski et al. 2018).

    Args:
        x: Features, shape (n, d), n >= 2.
        y: Features, shape (m, d), m >= 2.

    Returns:
        Zero on average for equal laws; may be negative.
    """
    d = x.shape[1]
    xx, yy, xy = ((a @ b.T / d + 1.0) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    same = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(same - 2.0 * xy.mean())


def matched_kernel_distance(x: FloatArray, y: FloatArray, scenes: IntArray) -> float:
    """Squared MMD of pictures of the same scenes: what they show cancels, how it looks remains.

    The mean of <f(x_i) - f(y_i), f(x_j) - f(y_j)> over pictures i and j of different scenes, with
    the kernel of `kernel_distance`: an unbiased estimate of the same discrepancy, nought for x = y
    and far less noisy than one between different scenes.

    Args:
        x: Features, shape (n, d).
        y: Features of the other pictures of the same layouts, shape (n, d).
        scenes: Scene of each layout, shape (n,); at least two different ones.
    """
    d = x.shape[1]
    xx, yy, xy = ((a @ b.T / d + 1.0) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    apart = scenes[:, None] != scenes[None]
    return float((xx + yy - xy - xy.T)[apart].mean()) if apart.any() else float("nan")


def band_distances(pictures: FloatArray, others: FloatArray, seed: int = 0) -> dict[str, float]:
    """Sliced Wasserstein distance of patches, per band (Karras et al. 2018, sec. 5).

    Patches of both sets are scaled alike, by the spread of the second set, so that contrast that
    is missing counts.

    Args:
        pictures: Shape (n, 3, H, W).
        others: Shape (m, 3, H, W).
        seed: Seed of the patches and directions.

    Returns:
        Mean distance between the sorted projections, times 100, per band of BANDS.
    """
    out = {}
    first, second = (_bands(p, seed) for p in (pictures, others))
    for name, a, b in zip(BANDS, first, second, strict=True):
        rng = stream(seed, "camera", "directions", name)
        directions = rng.standard_normal((a.shape[1], DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        spread = b.std() + 1e-9
        quantiles = np.linspace(0.0, 1.0, 257)
        ends = [np.quantile(p @ directions / spread, quantiles, axis=0) for p in (a, b)]
        out[name] = float(100.0 * np.abs(ends[0] - ends[1]).mean())
    return out


def _bands(pictures: FloatArray, seed: int) -> list[FloatArray]:
    """Patches of each band of all pictures, shape (patches, 3 PATCH^2) each."""
    rows: list[list[FloatArray]] = [[] for _ in BANDS]
    for k, picture in enumerate(pictures):
        rng = stream(seed, "camera", "patches", k)
        image = np.ascontiguousarray(picture.transpose(1, 2, 0), np.float32)
        for band, _ in enumerate(BANDS):
            small = cv2.pyrDown(image)
            size = (image.shape[1], image.shape[0])
            detail = image - cv2.pyrUp(small, dstsize=size)
            last = band == len(BANDS) - 1
            rows[band].append(_patches(image - image.mean() if last else detail, rng))
            image = np.asarray(small)
    return [np.concatenate(band) for band in rows]


def _patches(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    height, width = image.shape[0] - PATCH + 1, image.shape[1] - PATCH + 1
    tops, lefts = rng.integers(height, size=PATCHES), rng.integers(width, size=PATCHES)
    cut = [image[t : t + PATCH, c : c + PATCH] for t, c in zip(tops, lefts, strict=True)]
    return np.stack(cut).reshape(PATCHES, -1)


def gradient_energy(pictures: FloatArray) -> float:
    """Mean squared difference of neighbouring columns: how much fine texture there is."""
    return float(np.square(np.diff(pictures, axis=-1)).mean())


def structural_similarity(drawn: FloatArray, target: FloatArray) -> float:
    """SSIM of the luminance of two pictures (3, H, W), Gaussian window 1.5 (Wang et al. 2004)."""
    x, y = (np.tensordot(LUMINANCE, p.astype(np.float64), 1) for p in (drawn, target))

    def blur(image: FloatArray) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5))

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(similar.mean())


def peak_ratio(drawn: FloatArray, target: FloatArray) -> float:
    """Peak signal-to-noise ratio of two pictures with peak one [dB]."""
    return float(-10.0 * np.log10(np.square(drawn - target).mean() + 1e-12))


def coverage(reference: FloatArray, drawn: FloatArray) -> float:
    """Share of reference pictures that have a drawn one within their NEIGHBOURS-ball (Naeem 2020).

    Args:
        reference: Features, shape (n, d).
        drawn: Features, shape (m, d).
    """
    k = min(NEIGHBOURS, len(reference) - 1)
    inner, outer = (_distances(reference, other) for other in (reference, drawn))
    radius = np.sort(inner, 1)[:, k]  # Column 0 is the picture itself.
    return float((outer.min(1) <= radius).mean())


def _distances(x: FloatArray, y: FloatArray) -> FloatArray:
    square = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2.0 * x @ y.T
    return np.sqrt(np.maximum(square, 0.0))


def cut_up(picture: FloatArray, size: tuple[int, int]) -> list[FloatArray]:
    """Cut a picture (3, H, W) into as many whole crops of a size as fit, from the middle out."""
    height, width = picture.shape[-2:]
    rows, columns = height // size[0], width // size[1]
    top, left = (height - rows * size[0]) // 2, (width - columns * size[1]) // 2
    return [
        picture[
            ...,
            top + r * size[0] : top + (r + 1) * size[0],
            left + c * size[1] : left + (c + 1) * size[1],
        ]
        for r in range(rows)
        for c in range(columns)
    ]


def domain_distance(pictures: FloatArray, reference: FloatArray) -> dict[str, float]:
    """How far a set of pictures is from another domain.

    Args:
        pictures: Crops, shape (n, 3, h, w).
        reference: Crops of the other domain, shape (m, 3, h, w).

    Returns:
        `kernel`: mean over NETS of the kernel distance of random features, times 100; the
        distance of each band; `energy`: gradient energy over that of the reference.
    """
    kernels = []
    for net in NETS:
        wanted = random_features(reference, net)
        own = standardized(random_features(pictures, net), wanted)
        kernels.append(kernel_distance(own, standardized(wanted, wanted)))
    return {
        "kernel": float(100.0 * np.mean(kernels)),
        **band_distances(pictures, reference),
        "energy": gradient_energy(pictures) / max(gradient_energy(reference), 1e-12),
    }
