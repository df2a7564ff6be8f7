"""Layouts of the families that diffusion is compared with; each needs its own checkpoint."""

from __future__ import annotations

from typing import ClassVar

from scenegen.layout.shipping import ShippedLayout


class VaeLayout(ShippedLayout):
    """Conditional variational autoencoder: one latent vector per agent, one pass."""

    name: ClassVar[str] = "vae"


class AutoregressiveLayout(ShippedLayout):
    """Agents one after the other from mixtures, with exact likelihoods."""

    name: ClassVar[str] = "autoregressive"


class FlowLayout(ShippedLayout):
    """Normalising flow of spline couplings, with exact likelihoods."""

    name: ClassVar[str] = "flow"


class GanLayout(ShippedLayout):
    """Adversarial generator with the R3GAN loss, one pass."""

    name: ClassVar[str] = "gan"


class DdpmLayout(ShippedLayout):
    """Denoising diffusion of positions over time in 100 steps."""

    name: ClassVar[str] = "ddpm"


class FlowMatchingLayout(ShippedLayout):
    """Rectified flow over agent tokens in 8 steps."""

    name: ClassVar[str] = "flow_matching"
