"""Agents as positions over time: what models in position space see in place of motion codes."""

from __future__ import annotations

import numpy as np
import torch

from scenegen.arrays import FloatArray, IntArray
from scenegen.layout.motion import ACCELERATION_LIMITS, YAW_RATE_LIMIT, fit_knots, integrate
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.standardize import GROUPS, LEAST_SPREAD, Standardizer
from scenegen.layout.tokens import (
    ACCELERATION_SCALE,
    CHANNELS,
    DYNAMICS,
    KIND,
    MOTION,
    POSE,
    POSITION_SCALE,
    PRESENCE,
    YAW_RATE_KNEE,
    YAW_RATE_SCALE,
    knots_of,
    start_of,
)
from scenegen.scene import EGO, AgentStates
from scenegen.scene.plans import KNOTS
from scenegen.scene.scenario import STEP

STEPS = 80
"""Steps of 0.1 s that a motion code covers."""
INSTANTS = tuple(STEPS * k // (KNOTS - 1) for k in range(1, KNOTS))
"""Steps at which places are taken: the last ones not after each knot."""
PATH = slice(DYNAMICS.stop, DYNAMICS.stop + 4 * len(INSTANTS))
"""Channels of x, y, cos and sin at each of INSTANTS."""
_MORE = PATH.stop - MOTION.stop
PLACES = CHANNELS + _MORE
"""Numbers per agent: those of tokens.CHANNELS with PATH in place of MOTION."""
PLACE_POSE, PLACE_PRESENCE = POSE, PRESENCE + _MORE
FITTED_SCENES = 2048
"""Scenes of a corpus that the deviations of paths are taken from."""


def places_of(tokens: torch.Tensor) -> torch.Tensor:
    """Turn tokens (..., CHANNELS) into places (..., PLACES) by driving along the motion codes."""
    states = integrate(start_of(tokens), knots_of(tokens), STEPS)[..., list(INSTANTS), :]
    yaw = states[..., 2]
    path = torch.stack(
        [*(states[..., :2] / POSITION_SCALE).unbind(-1), yaw.cos(), yaw.sin()], -1
    ).flatten(-2)
    return torch.cat([tokens[..., : MOTION.start], path, tokens[..., MOTION.stop :]], -1)


def known_places(batch: SceneBatch) -> torch.Tensor:
    """Say which places follow from what is known, shape (B, A, PLACES).

    A place on the path does where pose and speed are known and all knots up to its time are.
    """
    known = batch.known
    both = known[..., MOTION].view(*known.shape[:2], 2, KNOTS).all(-2)  # (B, A, KNOTS)
    start = known[..., POSE].all(-1) & known[..., DYNAMICS.start]
    upto = both.cumprod(-1).bool()[..., 1:] & start[..., None]
    path = upto.repeat_interleave(4, -1)
    return torch.cat([known[..., : MOTION.start], path, known[..., MOTION.stop :]], -1)


def tokens_of_places(places: torch.Tensor, batch: SceneBatch) -> torch.Tensor:
    """Fit motion codes to places.

    Args:
        places: Sampled places, shape (B, A, PLACES).
        batch: Who may be there; nothing is fitted for slots known to be empty.

    Returns:
        Tokens, shape (B, A, CHANNELS), of the places' type.
    """
    motion = torch.zeros((*places.shape[:2], 2 * KNOTS), dtype=places.dtype)
    found = places.detach().cpu()
    there = (found[..., PLACE_PRESENCE] > 0.0) & batch.possible.cpu()
    # Scene by scene, so that no bit of one depends on who else is in the batch.
    for row in range(len(found)):
        if there[row].any():
            knots = fit_knots(_trajectories(found[row][there[row]].double()))
            motion[row, there[row]] = torch.from_numpy(_code(knots)).to(motion)
    rest = found[..., PATH.stop :]
    return torch.cat([found[..., : PATH.start], motion, rest], -1).to(places)


class PlaceScale(Standardizer):
    """Standardisation of tokens, and of places as positions at the times of the knots.

    Attributes:
        far: Deviation of positions at each of INSTANTS, shape (len(INSTANTS),).
    """

    far: torch.Tensor

    def __init__(self) -> None:
        """Start as the identity."""
        super().__init__()
        self.register_buffer("far", torch.ones(len(INSTANTS)))

    @torch.no_grad()
    def fit(self, agents: torch.Tensor) -> None:
        """Take deviations of the agents that are present; see Standardizer.fit.

        Args:
            agents: Agent tokens of a corpus, shape (B, A, CHANNELS).
        """
        super().fit(agents)
        some = agents[:: max(1, len(agents) // FITTED_SCENES)]
        there = some[..., PRESENCE] > 0.0
        there[:, EGO] = False
        path = places_of(some[there])[..., PATH].reshape(-1, len(INSTANTS), 4)
        if len(path):
            spread = path[..., :2].double().square().mean((0, 2)).sqrt()
            self.far.copy_(spread.clamp(min=LEAST_SPREAD))

    def places(self, places: torch.Tensor) -> torch.Tensor:
        """Standardise places (..., PLACES)."""
        mean, spread = self._of_places()
        return (places - mean) / spread

    def inverse_places(self, values: torch.Tensor) -> torch.Tensor:
        """Give places from standardised values (..., PLACES)."""
        mean, spread = self._of_places()
        return values * spread + mean

    def _of_places(self) -> tuple[torch.Tensor, torch.Tensor]:
        heading = self.spread[GROUPS["heading"]].expand(len(INSTANTS), 2)
        path = torch.cat([self.far[:, None].expand(-1, 2), heading], -1).flatten()
        head, tail = slice(0, MOTION.start), slice(MOTION.stop, CHANNELS)
        mean = torch.cat([self.mean[head], torch.zeros_like(path), self.mean[tail]])
        return mean, torch.cat([self.spread[head], path, self.spread[tail]])


def _trajectories(places: torch.Tensor) -> AgentStates:
    """Places (N, PLACES) as trajectories that are valid at INSTANTS alone, leading shape (T, N)."""
    start = start_of(places)  # The first channels are those of tokens.
    path = places[:, PATH].reshape(len(places), -1, 4)  # (N, K, 4)
    at = [0, *INSTANTS]
    place = torch.cat([start[:, None, :2], path[..., :2] * POSITION_SCALE], 1)
    yaw = torch.cat([start[:, None, 2], torch.atan2(path[..., 3], path[..., 2])], 1)
    count, kind = len(places), _kind(places)
    position = np.zeros((STEPS + 1, count, 2))
    heading, speed = np.zeros((STEPS + 1, count)), np.zeros((STEPS + 1, count))
    valid = np.zeros((STEPS + 1, count), np.bool_)
    position[at], heading[at] = place.transpose(0, 1).numpy(), yaw.T.numpy()
    speed[at] = _speeds(place.numpy(), yaw.numpy(), start[:, 3].numpy()).T
    valid[at] = True
    return AgentStates(
        position=position,
        yaw=heading,
        speed=speed,
        size=np.ones((STEPS + 1, count, 3)),
        kind=np.broadcast_to(kind, (STEPS + 1, count)).copy(),
        valid=valid,
    )


def _speeds(place: FloatArray, yaw: FloatArray, first: FloatArray) -> FloatArray:
    """Speeds along the headings by central differences, shape (N, K + 1); the first is given."""
    times = STEP * np.array([0, *INSTANTS])
    before = np.maximum(np.arange(len(times)) - 1, 0)
    after = np.minimum(np.arange(len(times)) + 1, len(times) - 1)
    apart = (place[:, after] - place[:, before]) / (times[after] - times[before])[:, None]
    speed = apart[..., 0] * np.cos(yaw) + apart[..., 1] * np.sin(yaw)
    speed[:, 0] = first
    return speed


def _kind(places: torch.Tensor) -> IntArray:
    bits = places[:, KIND.start + _MORE : KIND.stop + _MORE]
    return bits.argmax(-1).numpy().astype(np.int8)


def _code(knots: FloatArray) -> FloatArray:
    """Knots (N, KNOTS, 2) as channels of motion, shape (N, 2 KNOTS), within their limits."""
    acceleration = np.clip(knots[..., 0], *ACCELERATION_LIMITS) / ACCELERATION_SCALE
    rate = np.clip(knots[..., 1], -YAW_RATE_LIMIT, YAW_RATE_LIMIT)
    return np.concatenate([acceleration, np.arcsinh(rate / YAW_RATE_KNEE) / YAW_RATE_SCALE], -1)
