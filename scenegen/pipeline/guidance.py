"""Guidance: a query pulls the denoised estimate of a diffusion model towards what it asks for.

What a query measures over time is a differentiable function of the tokens: they are integrated to
trajectories, and each comparison has a slope there. At each noise level the tokens of ego and roles
are moved by the least step, in standardised units, that would make up for all shortfalls at once if
they were linear: the smaller the step, the more even the path weights. Nobody else is moved.
Events, kinds, light and the like have no slope; they are left to the condition and to the exact
check afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.layout.motion import DURATION, integrate
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_losses import overlap_depth, sizes_of
from scenegen.layout.tokens import KIND, POSE, POSITION_SCALE, PRESENCE, knots_of, start_of
from scenegen.pipeline.shortfall import Shortfall
from scenegen.query import Query
from scenegen.query.atoms import Between, Compare, Does, KindIs, StaticIs
from scenegen.query.expression import And, Formula, Or, children, roles_of, with_children
from scenegen.query.robustness import AtomMargins, Robustness
from scenegen.query.terms import EGO_ROLE
from scenegen.query.trajectories import STEERED, Trajectories
from scenegen.scene import AgentKind, AgentStates, Conditions, Provenance, RoadMap, Scenario
from scenegen.scene.agents import SIZE
from scenegen.scene.scenario import STEP

CONTACT_EVERY, CONTACT_STEPS = 5, 20
"""Instants at which boxes are kept apart [steps of 0.1 s]: bystanders react soon, so that where
their motion codes lead later on says little."""
LENGTHS, SHORTER = 3, 4.0
"""Lengths of a step that are tried, each so much shorter than the one before: a margin is linear
for a while only, and no step is better than one that makes things worse."""
DAMPING = 1e-2
"""Damping of a step, as a share of the squared slopes."""
NO_SLOPE = 1e-12
"""Squared slope below which there is nowhere to go."""
_HEIGHTS = np.array([SIZE[kind][2] for kind in AgentKind])


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidanceSettings:
    """How hard a query pulls.

    Attributes:
        weight: Share of the least step to the target that is gone; 0 for no guidance.
        target: Margin that is aimed for, in the units of margins: 1 s, 1 m, 1 m/s, 0.1 rad.
        inner: Steps per noise level.
        reach: Most that a standardised channel is moved at a noise level, in units of the deviation
            that the clean value has there, sigma / sqrt(1 + sigma^2).
        contact: Weight of a metre of overlapping boxes against one of margin.
        above: Noise level below which nothing is pulled. The lower the level, the less likely is
            the same pull to have been drawn by chance: where paths are weighed, high levels alone
            leave the weights more even.
    """

    weight: float = 1.0
    target: float = 0.2
    inner: int = 2
    reach: float = 1.0
    contact: float = 1.0
    above: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        numbers = (self.weight, self.target, self.reach, self.contact, self.above)
        sound = all(math.isfinite(x) and x >= 0.0 for x in numbers)
        if not (sound and self.inner >= 1):
            raise ValueError(
                "GuidanceSettings: expected finite numbers of 0 or more and at least one inner"
                f" step, got {self}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """Where the tokens of a scene lie.

    Attributes:
        roadmap: The road.
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,).
    """

    roadmap: RoadMap
    frame: FloatArray


def steerable(formula: Formula, roles: Sequence[str]) -> Formula | None:
    """Give what is left of a formula when all that has no slope is left out.

    Of an alternative the parts with a slope stay; of two things in order, one of which has none,
    the other is asked for at any instant.

    Args:
        formula: The formula.
        roles: Roles that can be moved; comparisons about others are left out.

    Returns:
        The formula, None if nothing is left.
    """
    if isinstance(formula, StaticIs | KindIs | Does):
        return None
    if isinstance(formula, Compare | Between):
        known = set(roles_of(formula)) <= {EGO_ROLE, *roles}
        return formula if known and _has_slope(formula) else None
    parts = children(formula)
    left = tuple(p for p in (steerable(part, roles) for part in parts) if p is not None)
    if not left:
        return None
    if len(left) == len(parts):
        return with_children(formula, left)
    if isinstance(formula, And | Or) and len(left) > 1:
        return type(formula)(left)
    return left[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueryGuide:
    """Shifts denoised tokens towards a query; what `SamplerConfig.guide` takes.

    Attributes:
        formula: What is asked, as `steerable` leaves it; None to keep boxes apart only.
        slots: Token slot of each role; the ego has slot 0.
        sites: Where the scenes of the batch lie, B of them.
        spread: Deviation of each channel of the model, shape (CHANNELS,).
        settings: How hard it pulls.
        duration: Length of the scenario [s]; beyond the motion code nothing is guided.
    """

    formula: Formula | None
    slots: Mapping[str, int]
    sites: Sequence[Site]
    spread: torch.Tensor
    settings: GuidanceSettings = GuidanceSettings()
    duration: float = DURATION

    @classmethod
    def of(
        cls,
        query: Query,
        slots: Mapping[str, int],
        sites: Sequence[Site],
        spread: torch.Tensor,
        settings: GuidanceSettings | None = None,
        duration: float = DURATION,
    ) -> QueryGuide:
        """Guide towards a query.

        Args:
            query: The query.
            slots: Token slot of each of its roles that the model makes up.
            sites: Where the scenes of the batch lie.
            spread: Deviation of each channel of the model.
            settings: How hard it pulls.
            duration: Length of the scenario [s].
        """
        return cls(
            formula=steerable(query.formula, tuple(slots)),
            slots=dict(slots),
            sites=tuple(sites),
            spread=spread,
            settings=settings if settings is not None else GuidanceSettings(),
            duration=duration,
        )

    def __call__(self, estimate: torch.Tensor, sigma: float, batch: SceneBatch) -> torch.Tensor:
        """Give what to add to an estimate.

        Args:
            estimate: Denoised tokens, shape (B, A, CHANNELS).
            sigma: Noise level, in standardised units.
            batch: What is known; those channels are not moved.

        Returns:
            The shift in tokens, shape (B, A, CHANNELS).
        """
        how = self.settings
        if how.weight == 0.0 or sigma < how.above:
            return torch.zeros_like(estimate)
        begin, spread = estimate.detach().double(), self.spread.double()
        free, shift = self._free(batch), torch.zeros_like(begin)
        bound = how.reach * sigma / math.sqrt(1.0 + sigma**2)
        for _ in range(how.inner):
            moved = shift.clone().requires_grad_()
            with torch.enable_grad():
                lacking = self.lacking(begin + moved * spread, batch)
                slopes = [_slope(one, moved, free) for one in lacking.unbind(1)]
            step = _least_step(torch.stack(slopes, 1), lacking.detach())
            loss, length = lacking.detach().sum(1), how.weight
            left = loss.nonzero()[:, 0]  # Scenes that lack something and have not moved yet.
            for _ in range(LENGTHS):
                if not len(left):
                    break
                tried = (shift[left] + length * step[left]).clamp(-bound, bound)
                with torch.no_grad():
                    there = self._of(left).lacking(begin[left] + tried * spread, batch[left])
                better = there.sum(1) <= loss[left]
                shift[left[better]] = tried[better]
                left, length = left[~better], length / SHORTER
        return (shift * spread).to(estimate)

    def _of(self, scenes: torch.Tensor) -> QueryGuide:
        """Guide of some scenes of the batch."""
        return replace(self, sites=[self.sites[k] for k in scenes.tolist()])

    def lacking(self, tokens: torch.Tensor, batch: SceneBatch) -> torch.Tensor:
        """Give what each comparison of the query lacks, and how deep boxes overlap.

        Args:
            tokens: Clean tokens, shape (B, A, CHANNELS).
            batch: Says who is there.

        Returns:
            Shortfalls, shape (B, K): all zero where the target is met and no boxes overlap.
        """
        paths = integrate(start_of(tokens), knots_of(tokens), self._steps)  # (B, A, T, 4)
        parts = [self.settings.contact * self._contact(tokens, paths, batch)]
        if self.formula is not None:
            shortfall = Shortfall(
                atoms=self._margins(tokens, paths), step=STEP, target=self.settings.target
            )
            parts += shortfall.parts(self.formula)
        return torch.stack(parts, 1)

    def margin(self, tokens: torch.Tensor) -> torch.Tensor:
        """Give the exact margin of what has a slope, shape (B,); inf where nothing has.

        Args:
            tokens: Clean tokens, shape (B, A, CHANNELS).
        """
        if self.formula is None:
            return torch.full((len(tokens),), math.inf, dtype=tokens.dtype)
        paths = integrate(start_of(tokens), knots_of(tokens), self._steps)
        atoms = self._margins(tokens, paths)
        return Robustness(atoms=atoms, step=STEP).satisfaction(self.formula)

    def _margins(self, tokens: torch.Tensor, paths: torch.Tensor) -> AtomMargins:
        return self._trajectories(tokens, paths).margins([dict(self.slots)] * len(tokens))

    @property
    def _steps(self) -> int:
        return round(min(self.duration, DURATION) / STEP)

    @property
    def _acting(self) -> int:
        """Number of slots that are moved: the ego and the roles, which come first."""
        return 1 + max(self.slots.values(), default=0)

    def _free(self, batch: SceneBatch) -> torch.Tensor:
        """Channels that may be moved, shape (B, A, CHANNELS)."""
        free = ~batch.known
        free[:, self._acting :] = False
        free[..., KIND] = False
        free[..., PRESENCE] = False
        return free

    def _trajectories(self, tokens: torch.Tensor, paths: torch.Tensor) -> Trajectories:
        """Motions of ego and roles in the frames of their maps."""
        acting = self._acting
        frame = torch.from_numpy(np.stack([site.frame for site in self.sites])).to(paths)
        local = paths[:, :acting].transpose(1, 2)  # (B, T, n, 4)
        cos, sin = (f(frame[:, 2])[:, None, None] for f in (torch.cos, torch.sin))
        x, y = local[..., 0], local[..., 1]
        place = torch.stack([cos * x - sin * y, sin * x + cos * y], -1) + frame[:, None, None, :2]
        yaw = local[..., 2] + frame[:, 2][:, None, None]
        sizes = sizes_of(tokens[:, :acting]).detach().cpu().numpy()
        kinds = tokens[:, :acting, KIND].detach().argmax(-1).cpu().numpy()
        scenarios = [
            _template(site.roadmap, size, kind, local.shape[1])
            for site, size, kind in zip(self.sites, sizes, kinds, strict=True)
        ]
        return Trajectories(scenarios=scenarios, position=place, yaw=yaw, speed=local[..., 3])

    def _contact(
        self, tokens: torch.Tensor, paths: torch.Tensor, batch: SceneBatch
    ) -> torch.Tensor:
        """Depth of overlaps at the opening, and with bystanders for a while after it, (B,) [m]."""
        scenes, slots = tokens.shape[:2]
        acting, there = self._acting, batch.present
        steps = range(0, min(CONTACT_STEPS, self._steps) + 1, CONTACT_EVERY)
        # Who is steered may touch whom later on is what the query decides.
        asked = torch.zeros(slots, slots, dtype=torch.bool, device=tokens.device)
        asked[:acting] = True
        later = asked.clone()
        later[:, :acting] = False
        total = torch.zeros(scenes, dtype=tokens.dtype, device=tokens.device)
        for step in steps:
            pose = paths[:, :, step]
            placed = tokens.clone()
            turned = torch.stack([pose[..., 2].cos(), pose[..., 2].sin()], -1)
            placed[..., POSE] = torch.cat([pose[..., :2] / POSITION_SCALE, turned], -1)
            depth = overlap_depth(placed, there)
            total = total + (depth * (asked if step == 0 else later)).sum((1, 2))
        return total / len(steps)


def _slope(lacking: torch.Tensor, moved: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Slope of one shortfall of each scene, zero where nothing may move, (B, A, CHANNELS)."""
    if not lacking.requires_grad:
        return torch.zeros_like(moved)
    (slope,) = torch.autograd.grad(lacking.sum(), moved, retain_graph=True)
    return torch.where(free & torch.isfinite(slope), slope, 0.0)


def _least_step(slopes: torch.Tensor, lacking: torch.Tensor) -> torch.Tensor:
    """Least step that makes up for all shortfalls if they are linear (Gauss-Newton).

    Shortfalls that contradict each other are weighed by the damping (Levenberg, 1944).

    Args:
        slopes: Slope of each shortfall, shape (B, K, A, CHANNELS).
        lacking: The shortfalls, shape (B, K).

    Returns:
        The step, shape (B, A, CHANNELS).
    """
    flat = slopes.flatten(2)  # (B, K, D)
    normal = flat @ flat.mT
    scale = normal.diagonal(dim1=1, dim2=2)
    damping = DAMPING * scale + NO_SLOPE
    damped = normal + torch.diag_embed(damping)
    weights = torch.linalg.solve(damped, lacking)
    weights = torch.where(scale > NO_SLOPE, weights, 0.0)
    return -(weights[:, None] @ flat)[:, 0].view_as(slopes[:, 0])


def _has_slope(atom: Compare | Between) -> bool:
    terms = (atom.term,) if isinstance(atom, Between) else (atom.left, atom.right)
    names = {name for term in terms for name in term.signals}
    return bool(names) and names <= STEERED


def _template(roadmap: RoadMap, size: FloatArray, kind: FloatArray, instants: int) -> Scenario:
    """Scenario of ego and roles whose motion the tensors of `Trajectories` replace."""
    count = len(kind)
    boxes = np.concatenate([size, _HEIGHTS[kind][:, None]], -1)
    agents = AgentStates(
        position=np.zeros((instants, count, 2)),
        yaw=np.zeros((instants, count)),
        speed=np.zeros((instants, count)),
        size=np.broadcast_to(boxes, (instants, count, 3)).copy(),
        kind=np.broadcast_to(kind.astype(np.int8), (instants, count)).copy(),
        valid=np.ones((instants, count), np.bool_),
    )
    origin = Provenance(query="", seed=0, index=0, attempt=0, script={}, map_source={})
    return Scenario(
        roadmap=roadmap,
        conditions=Conditions(),
        agents=agents,
        times=np.arange(instants) * STEP,
        provenance=origin,
    )
