"""The contract of all learned layout models: a loss to train by, and samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import torch
from torch import nn

from scenegen.errors import CheckpointError
from scenegen.layout.agent_count import AgentCount
from scenegen.layout.condition_tokens import condition_groups
from scenegen.layout.network import NetworkConfig
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.standardize import Standardizer
from scenegen.layout.tokens import BIT, KIND, POSE, PRESENCE
from scenegen.seeding import Jsonable


class SceneModel(nn.Module, ABC):
    """A model of agent tokens given known channels, the road and a condition.

    Attributes:
        parts: Settings of the family beside those of the network, dataclasses by the attribute
            that holds them, in the order of the constructor.
        network_config: Size of the network.
        betas: Decay of the optimizer's averages of slopes and of their squares.
        events: Event families of the condition, in the order of its values.
        scale: Standardisation of the channels, fitted to the corpus before training.
        count: Distribution of the number of background agents; trained beside the model.
    """

    name: ClassVar[str]
    parts: ClassVar[Mapping[str, type[Any]]] = {}
    network_config: NetworkConfig
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)

    def __init__(self, events: Sequence[str]) -> None:
        """Build what all families share.

        Args:
            events: Event families of the condition.
        """
        super().__init__()
        self.events = tuple(events)
        self.groups = condition_groups(self.events)
        self.scale = Standardizer()
        self.count = AgentCount(self.groups["ego_speed"].stop)

    @abstractmethod
    def loss(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Give the loss of a training step, a scalar.

        Args:
            batch: Scenes with all channels; those not `known` are to be predicted from those that
                are, and from the values of the condition that are `asked`. Channels of slots that
                hold nobody do not count, except presence.
            generator: Random numbers of the step, on the CPU.
        """

    @abstractmethod
    def sample(self, batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
        """Fill in the channels that are not known.

        Args:
            batch: What is known and asked; other values are not looked at.
            generator: Random numbers, on the CPU. Each scene has a stream of its own, seeded by
                one number of the generator in the order of the scenes (see `scene_seeds`), so
                that a scene does not depend on its batch mates.

        Returns:
            Tokens, shape (B, A, CHANNELS), as `finished` leaves them: known channels to the bit.
        """

    def begin_from(self, source: SceneModel) -> None:
        """Take the weights of another model of the family to start from.

        Raises:
            CheckpointError: It is of another family, or of another size.
        """
        if source.name != self.name:
            raise CheckpointError(
                f"{self.name}: expected weights of the same family, got {source.name!r}"
            )
        self.load_weights(source.state_dict(), source.name)

    def load_weights(self, weights: Mapping[str, torch.Tensor], name: str) -> None:
        """Load weights, whatever floats they are stored as.

        Args:
            weights: By name.
            name: What the message calls them.

        Raises:
            CheckpointError: They are of another shape.
        """
        now = self.state_dict()
        try:
            self.load_state_dict({n: v.to(now[n].dtype) for n, v in weights.items()})
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.name}: weights of {name!r} do not fit ({error})"
            ) from error

    def config(self) -> dict[str, Jsonable]:
        """Give the settings from which `from_config` builds the same model."""
        parts: dict[str, Jsonable] = {name: asdict(getattr(self, name)) for name in self.parts}
        return {"events": list(self.events), "network": asdict(self.network_config), **parts}

    @classmethod
    def from_config(cls, config: Mapping[str, Jsonable]) -> Self:
        """Build a model with fresh weights; `events` is a list of names, the rest has defaults."""
        given: dict[str, Any] = dict(config)
        build: Any = cls  # Families take their parts in order after events and network.
        return build(
            tuple(given["events"]),
            NetworkConfig(**given.get("network", {})),
            *(kind(**given.get(name, {})) for name, kind in cls.parts.items()),
        )


def scene_seeds(generator: torch.Generator, scenes: int) -> list[int]:
    """Draw one seed per scene; the first ones do not depend on how many there are."""
    return [int(torch.randint(2**62, (1,), generator=generator)) for _ in range(scenes)]


def finished(batch: SceneBatch, tokens: torch.Tensor) -> torch.Tensor:
    """Make sampled tokens valid: headings of unit length, one kind, empty slots zero.

    Args:
        batch: What was known.
        tokens: Sampled tokens, shape (B, A, CHANNELS).

    Returns:
        Tokens of the same shape; known channels are those of the batch to the bit.
    """
    out = tokens.clone()
    heading = tokens[..., POSE][..., 2:]
    out[..., POSE.start + 2 : POSE.stop] = heading / heading.norm(dim=-1, keepdim=True).clamp(1e-6)
    best = tokens[..., KIND].argmax(-1, keepdim=True)
    out[..., KIND] = torch.full_like(out[..., KIND], -BIT).scatter(-1, best, BIT)
    # What is known decides before what follows from it: presence first.
    presence = torch.where(
        batch.known[..., PRESENCE], batch.agents[..., PRESENCE], tokens[..., PRESENCE]
    )
    there = presence > 0.0
    out = torch.where(there[..., None], out, 0.0)
    out[..., PRESENCE] = torch.where(there, 1.0, -1.0)
    return torch.where(batch.known, batch.agents, out)
