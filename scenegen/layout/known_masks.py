"""What is known in training: random masks, so that one model generates, completes and edits.

The kinds of mask and their shares are those of scene inpainting (SceneDiffuser, Jiang et al. 2024),
where training on them alone made collisions a quarter rarer; single values of the condition are
dropped as in classifier-free guidance (Ho & Salimans 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from scenegen.layout.scene_batch import SceneBatch, known_of_fresh
from scenegen.layout.standardize import GROUPS
from scenegen.layout.tokens import CHANNELS, MOTION, POSE, PRESENCE, ROLE_SLOTS
from scenegen.scene import EGO
from scenegen.scene.plans import KNOTS

PINNED_SHARE = 0.4
"""Of the masks over agents: those that know just the ego and the roles, as an event pins them."""
STATE_SHARE = 0.5
"""Of known agents: those of which the state is known, but not the motion."""
OPEN_SHARE = 0.3
"""Of the masks over agents: those under which it is open who else is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskShares:
    """How often each kind of mask is drawn; what is missing to one is nothing known.

    Attributes:
        agents: A random part of the agents is known, or just the ego and the roles.
        begin: The opening and the first knots of everybody are known.
        channels: Some groups of channels are known.
        one_missing: All but one agent are known.
        ego: The state of the ego is known, its motion and everybody else are not: how events are
            staged around an ego.
        drop: Probability with which each field of the condition is not asked.
    """

    agents: float = 0.35
    begin: float = 0.15
    channels: float = 0.10
    one_missing: float = 0.10
    ego: float = 0.10
    drop: float = 0.1

    def __post_init__(self) -> None:
        """Check that the shares are probabilities."""
        parts = (self.agents, self.begin, self.channels, self.one_missing, self.ego)
        if min(*parts, self.drop) < 0.0 or sum(parts) > 1.0 + 1e-9 or self.drop > 1.0:
            raise ValueError(f"MaskShares: expected probabilities of sum at most 1, got {self}")


def draw_masks(
    batch: SceneBatch,
    groups: dict[str, slice],
    generator: torch.Generator,
    shares: MaskShares | None = None,
) -> SceneBatch:
    """Draw what is known and what is asked of every scene.

    Args:
        batch: Scenes with all channels, on the CPU.
        groups: Fields of the condition, from condition_tokens.condition_groups.
        generator: Random numbers.
        shares: How often each kind of mask is drawn.

    Returns:
        The same scenes with new `known` and `asked`.
    """
    shares = shares if shares is not None else MaskShares()
    scenes, slots = batch.agents.shape[:2]
    fresh = known_of_fresh(batch.agents)
    parts = (shares.agents, shares.begin, shares.channels, shares.one_missing, shares.ego)
    ends = torch.tensor(parts).cumsum(0)
    kind = torch.bucketize(torch.rand(scenes, generator=generator), ends, right=True)
    drawn = torch.stack(
        [
            _some_agents(scenes, slots, generator),
            _begin(scenes, slots, generator),
            _some_channels(scenes, slots, generator),
            _all_but_one(batch, generator),
            _state_of_ego(scenes, slots),
            torch.zeros(scenes, slots, CHANNELS, dtype=torch.bool),
        ]
    )
    known = drawn[kind, torch.arange(scenes)] | fresh
    known[..., PRESENCE] &= ~_open(batch, known, kind, generator)
    known[:, EGO, PRESENCE] = True
    known[:, EGO, POSE] = True
    asked = batch.asked.clone()
    for where in groups.values():
        asked[:, where] &= (torch.rand(scenes, generator=generator) >= shares.drop)[:, None]
    return replace(batch, known=_consistent(batch, known), asked=asked)


def _some_agents(scenes: int, slots: int, generator: torch.Generator) -> torch.Tensor:
    """Whole agents or their states: a random part of them, or just the ego and the roles."""
    part = torch.rand(scenes, 1, generator=generator)
    chosen = torch.rand(scenes, slots, generator=generator) < part
    roles = (torch.arange(slots) <= ROLE_SLOTS).expand(scenes, slots)
    pinned = torch.rand(scenes, 1, generator=generator) < PINNED_SHARE
    chosen = torch.where(pinned, roles, chosen)
    still = torch.rand(scenes, 1, generator=generator) < STATE_SHARE
    known = chosen[..., None].expand(scenes, slots, CHANNELS).clone()
    known[..., MOTION] &= ~still[..., None]
    # The acceleration at the begin is part of the motion.
    known[..., GROUPS["acceleration"]] &= ~still[..., None]
    return known


def _begin(scenes: int, slots: int, generator: torch.Generator) -> torch.Tensor:
    """Everybody's state and a number of first knots."""
    upto = torch.randint(0, KNOTS, (scenes, 1), generator=generator)
    first = (torch.arange(KNOTS) < upto).repeat(1, 2)  # (scenes, 2 KNOTS)
    known = torch.ones(scenes, slots, CHANNELS, dtype=torch.bool)
    known[..., MOTION] = first[:, None]
    return known


def _some_channels(scenes: int, slots: int, generator: torch.Generator) -> torch.Tensor:
    """Every group of channels with probability one half, the same for all agents."""
    known = torch.zeros(scenes, slots, CHANNELS, dtype=torch.bool)
    for channels in GROUPS.values():
        known[..., channels] = (torch.rand(scenes, generator=generator) < 0.5)[:, None, None]
    return known


def _all_but_one(batch: SceneBatch, generator: torch.Generator) -> torch.Tensor:
    """All is known but one agent that is there; the ego's place stays known."""
    present = batch.present
    score = torch.rand(present.shape, generator=generator) * present
    missing = score.argmax(1)
    known = torch.ones(batch.agents.shape, dtype=torch.bool)
    known[torch.arange(len(batch)), missing] = False
    known[..., PRESENCE] = True
    return known


def _state_of_ego(scenes: int, slots: int) -> torch.Tensor:
    """The state of the ego, and nothing of its motion."""
    known = torch.zeros(scenes, slots, CHANNELS, dtype=torch.bool)
    known[:, EGO] = True
    known[:, EGO, MOTION] = False
    known[:, EGO, GROUPS["acceleration"]] = False
    return known


def _open(
    batch: SceneBatch, known: torch.Tensor, kind: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Slots of which it is not known whether somebody is there.

    They are background slots of some scenes, where either nobody or an agent that is unknown
    anyway stands.
    """
    some = torch.rand(len(batch), generator=generator) < OPEN_SHARE
    editing = (kind == 0) | (kind == 3)
    slot = torch.arange(known.shape[1]) > ROLE_SLOTS
    free = ~known[..., POSE.start] | ~batch.present
    return (some & editing)[:, None] & slot & free


def _consistent(batch: SceneBatch, known: torch.Tensor) -> torch.Tensor:
    """Of a slot that may or may not be filled nothing else is known; of an empty one all is."""
    out = known.clone()
    decided = known[..., PRESENCE]
    out &= decided[..., None]
    return out | (decided & ~batch.present)[..., None]
