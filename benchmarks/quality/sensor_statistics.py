"""Whether our sensors see worlds that are distributed like real ones: sizes, distances, classes.

Distributions are compared by the Jensen-Shannon divergence in nats, not its root, beside the floor
that one half of the real set reaches against the other half in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import Report
from benchmarks.quality import real_sets
from benchmarks.quality.real_sets import GROUPS, Boxes, Floats
from scenegen.geometry.transforms import se3
from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.render import PinholeCamera, SurfaceClass
from scenegen.scene import EGO, Conditions, Scenario
from scenegen.sensors import LIDAR_MODELS, Camera, Lidar, Rig, agent_motions

QUERIES = ("urban and jaywalker(p)", "intersection and unprotected_left(t)", "urban and cut_in(c)")
SEEDS = (4, 5, 6)
CAMERA = PinholeCamera(width_px=512, height_px=288, fov=2 * float(np.arctan(256 / 525.3)))
"""Field of view of PandaSet's front camera."""
LIDARS = {
    "pandar64": ("pandar64", "PandaSet 002", "hdl64"),
    "hdl64": ("hdl64", "KITTI raw", "hdl64_semantic"),
    "hdl64_semantic": ("hdl64", "SemanticKITTI", "hdl64"),
    "nuscenes32": ("nuscenes32", "nuScenes", "vlp32"),
    "vlp32": ("vlp32", "ika VLP-32", "nuscenes32"),
}
"""Our make for each real set, the set's name, and another real set to compare it with."""
RANGE_BINS = np.arange(2.0, 82.0, 2.0)
"""Bins of ranges [m]: nearer than 2 m most sensors see their own car."""
OBJECT_BINS = (5.0, 15.0, 30.0, 50.0, 80.0)
"""Distances between which points per car are compared [m]."""
COUNT_BINS = np.concatenate([[0.0], 2.0 ** np.arange(0, 15)])
_GROUP = {
    SurfaceClass.SKY: "sky",
    SurfaceClass.ROAD: "road",
    SurfaceClass.MARKING: "road",
    SurfaceClass.SIDEWALK: "sidewalk",
    SurfaceClass.TERRAIN: "vegetation",
    SurfaceClass.BUILDING: "building",
    SurfaceClass.BARRIER: "fence",
    SurfaceClass.POLE: "pole",
    SurfaceClass.SIGNAL: "sign",
    SurfaceClass.SIGN: "sign",
    SurfaceClass.VEGETATION: "vegetation",
    SurfaceClass.CAR: "vehicle",
    SurfaceClass.TRUCK: "vehicle",
    SurfaceClass.BUS: "vehicle",
    SurfaceClass.MOTORCYCLE: "cyclist",
    SurfaceClass.CYCLIST: "cyclist",
    SurfaceClass.PEDESTRIAN: "pedestrian",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ours:
    """What our sensors saw.

    Attributes:
        boxes: Boxes around the ego.
        shares: Share of each of GROUPS in each picture, shape (frames, 11).
        sweeps: Points of each sweep in the lidar frame, by make.
    """

    boxes: Boxes
    shares: Floats
    sweeps: dict[str, list[Floats]]


def divergence(ours: Floats, real: Floats) -> float:
    """Jensen-Shannon divergence of two histograms [nats], 0 to ln 2 (Lin, 1991)."""
    p, q = ours / max(ours.sum(), 1e-12), real / max(real.sum(), 1e-12)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / m), 0.0).sum()
        right = np.where(q > 0, q * np.log(q / m), 0.0).sum()
    return float((left + right) / 2)


def run(*, smoke: bool) -> Report:
    """Sense scenarios in towns by day and compare them with the real sets."""
    ours = _sense(QUERIES[:1] if smoke else QUERIES, SEEDS[:1] if smoke else SEEDS, smoke=smoke)
    rows = [*_size_rows(ours), *_distance_rows(ours), *_share_rows(ours)]
    rows += [*_range_rows(ours), *_point_rows(ours)]
    measured = [row for row in rows if isinstance(row["JS [nats]"], float)]
    worst = max(measured, key=lambda row: row["JS [nats]"]) if measured else None
    headline = "no real set is here to compare with" if worst is None else (
        f"median divergence from real sets"
        f" {np.median([row['JS [nats]'] for row in measured]):.3f} nats; the worst,"
        f" {worst['JS [nats]']:.3f}, is {worst['quantity']} against {worst['real set']}"
    )  # fmt: skip
    return Report(
        name="quality.sensor_statistics",
        headline=headline,
        rows=rows,
        notes=[
            f"{len(QUERIES)} queries in towns x {len(SEEDS)} seeds, three instants each, clear day;"
            " quantiles are 10, 50 and 90 %",
            "JS: Jensen-Shannon divergence of histograms in nats (at most 0.693); floor: first half"
            " of the real set against its second half, or against another real set where named",
            "PandaSet 002 is one street: its floor is that of one place, lower than between places",
            "real data is read from SCENEGEN_DATA and never shipped; an absent set is named absent",
        ],
        smoke=smoke,
    )


def _sense(queries: tuple[str, ...], seeds: tuple[int, ...], *, smoke: bool) -> Ours:
    makes = ("pandar64",) if smoke else ("pandar64", "hdl64", "nuscenes32", "vlp32")
    pose = se3(np.array([0.0, 0.0, 1.85]), 0.0, 0.0, 0.0)
    lidars = [Lidar(name=m, model=LIDAR_MODELS[m], ego_from_sensor=pose) for m in makes]
    rig = Rig(name="statistics", sensors=(Camera(optics=CAMERA), *lidars))
    rows: list[tuple[str, str, Floats, float, int, int]] = []
    shares: list[Floats] = []
    sweeps: dict[str, list[Floats]] = {make: [] for make in makes}
    for number, (query, seed) in enumerate((q, s) for q in queries for s in seeds):
        drawn = Generator(Request(query=parse(query), seed=seed)).scenario(0).scenario
        scenario = replace(drawn, conditions=Conditions())
        world, motions = rig.world(scenario, seed), agent_motions(scenario)
        for step in (0, scenario.steps // 2, scenario.steps - 1)[: 1 if smoke else 3]:
            arrays = rig.frame(world, scenario, step, motions[step]).arrays
            shares.append(_group_shares(np.asarray(arrays["camera/front/semantic"])))
            for make in makes:
                sweeps[make].append(np.asarray(arrays[f"lidar/{make}/xyz"]) * _scale(rig, make))
            hits = np.asarray(arrays["lidar/pandar64/instance"])
            rows += _boxes(scenario, step, number, np.bincount(hits, minlength=1))
    return Ours(boxes=real_sets.table(rows), shares=np.array(shares), sweeps=sweeps)


def _scale(rig: Rig, make: str) -> float:
    return next(spec.scale for spec in rig.specs() if spec.name == f"lidar/{make}/xyz")


def _boxes(
    scenario: Scenario, step: int, number: int, hits: np.ndarray
) -> Iterator[tuple[str, str, Floats, float, int, int]]:
    agents = scenario.agents[step]
    for i in np.flatnonzero(agents.valid):
        if i == EGO:
            continue
        kind = SurfaceClass(int(SurfaceClass.CAR) + int(agents.kind[i])).name.lower()
        away = float(np.hypot(*(agents.position[i] - agents.position[EGO])))
        points = int(hits[i + 1]) if i + 1 < len(hits) else 0
        size = agents.size[i].astype(np.float64)
        yield kind, f"{number}/{i}", size, away, points, number * 1000 + step


def _group_shares(semantic: np.ndarray) -> Floats:
    group = np.array([GROUPS.index(_GROUP[c]) if c in _GROUP else -1 for c in SurfaceClass])
    found = group[semantic]
    count = np.bincount(found[found >= 0], minlength=len(GROUPS)).astype(np.float64)
    return count / count.sum()


def _row(quantity: str, real_set: str, **cells: Any) -> dict[str, Any]:  # noqa: ANN401
    empty = {"ours": "", "real": "", "JS [nats]": "", "floor [nats]": "", "samples": ""}
    return {"quantity": quantity, "real set": real_set, **empty, **cells}


def _quantiles(values: Floats) -> str:
    return " / ".join(f"{v:.2f}" for v in np.quantile(values, (0.1, 0.5, 0.9)))


def _compare(
    quantity: str, real_set: str, values: tuple[Floats, Floats, Floats], bins: Floats
) -> dict[str, Any]:
    """Row of one quantity: ours, real, and the moment of each real value, for the floor."""
    ours, real, moment = values
    if not len(ours) or not len(real):
        return _row(quantity, real_set, samples=f"{len(ours)} / {len(real)}")
    count = [np.histogram(v, bins)[0].astype(np.float64) for v in (ours, real)]
    early = moment <= np.median(moment)
    halves = [np.histogram(real[part], bins)[0].astype(np.float64) for part in (early, ~early)]
    return _row(
        quantity,
        real_set,
        **{
            "ours": _quantiles(ours),
            "real": _quantiles(real),
            "JS [nats]": round(divergence(*count), 4),
            "floor [nats]": round(divergence(*halves), 4) if (~early).any() else "",
            "samples": f"{len(ours)} / {len(real)}",
        },
    )


def _size_rows(ours: Ours) -> Iterator[dict[str, Any]]:
    """Sizes per kind, one value per track."""
    sets = (("PandaSet 002", real_sets.pandaset_boxes()), ("nuScenes", real_sets.nuscenes_boxes()))
    for name, real in sets:
        if real is None:
            yield _row("sizes of boxes", f"{name} (absent)")
            continue
        for kind in ("car", "truck", "pedestrian", "cyclist"):
            mine, theirs = _once(ours.boxes, kind), _once(real, kind)
            for axis, part in enumerate(("length", "width", "height")):
                known = real.size[theirs, axis]
                if not len(known) or np.isnan(known).any():
                    continue
                step = 0.1 if kind == "pedestrian" else (1.0 if kind == "truck" else 0.25)
                bins = np.arange(0.0, 20.0, step)
                values = (ours.boxes.size[mine, axis], known, np.arange(len(known)) * 1.0)
                yield _compare(f"{part} of a {kind} [m]", name, values, bins)


def _once(boxes: Boxes, kind: str) -> np.ndarray:
    """First row of each track of a kind."""
    rows = np.flatnonzero(boxes.kind == kind)
    return rows[np.unique(boxes.track[rows], return_index=True)[1]]


def _distance_rows(ours: Ours) -> Iterator[dict[str, Any]]:
    """Distances of boxes from the ego."""
    real = real_sets.pandaset_boxes()
    if real is None:
        yield _row("distance of objects", "PandaSet 002 (absent)")
        return
    bins = np.arange(0.0, 105.0, 5.0)
    for kind in ("car", "pedestrian"):
        mine, theirs = ours.boxes.kind == kind, real.kind == kind
        values = (ours.boxes.distance[mine], real.distance[theirs], real.moment[theirs] * 1.0)
        yield _compare(f"distance of a {kind} [m]", "PandaSet 002", values, bins)


def _share_rows(ours: Ours) -> Iterator[dict[str, Any]]:
    """Class shares of the pixels, all together and one by one."""
    for name, real, ignored in (
        ("CamVid", real_sets.camvid_shares(), ()),
        ("PandaSet 002, where lidar met something", real_sets.pandaset_shares(), ("sky",)),
    ):
        if real is None:
            yield _row("class shares of pixels", f"{name} (absent)")
            continue
        kept = [k for k, group in enumerate(GROUPS) if group not in ignored]
        mine, theirs = (_normal(shares[:, kept]) for shares in (ours.shares, real))
        half = len(theirs) // 2
        yield _row(
            "class shares of pixels",
            name,
            **{
                "JS [nats]": round(divergence(mine.mean(0), theirs.mean(0)), 4),
                "floor [nats]": round(divergence(theirs[:half].mean(0), theirs[half:].mean(0)), 4),
                "samples": f"{len(mine)} / {len(theirs)} pictures",
            },
        )
        for k, column in enumerate(kept):
            yield _row(
                f"share of {GROUPS[column]} [%]",
                name,
                ours=_quantiles(100 * mine[:, k]) + f" (mean {100 * mine[:, k].mean():.1f})",
                real=_quantiles(100 * theirs[:, k]) + f" (mean {100 * theirs[:, k].mean():.1f})",
            )


def _normal(shares: Floats) -> Floats:
    return shares / np.maximum(shares.sum(-1, keepdims=True), 1e-9)


def _range_rows(ours: Ours) -> Iterator[dict[str, Any]]:
    """Ranges of lidar points within the field of view of the real sweeps."""
    for real_name, (make, title, other) in LIDARS.items():
        if make not in ours.sweeps:
            continue
        real = real_sets.lidar_sweeps(real_name)
        if real is None:
            yield _row(f"range of lidar points, {make} [m]", f"{title} (absent)")
            continue
        window = _window(real)
        mine = np.concatenate([_ranges(points, window) for points in ours.sweeps[make]])
        theirs = [_ranges(points, window) for points in real]
        moment = np.repeat(np.arange(len(theirs)) * 1.0, [len(r) for r in theirs])
        values = (mine, np.concatenate(theirs), moment)
        row = _compare(f"range of lidar points, {make} [m]", title, values, RANGE_BINS)
        beside = real_sets.lidar_sweeps(other)
        if beside is not None:
            counts = [
                np.histogram(np.concatenate([_ranges(p, window) for p in s]), RANGE_BINS)[0] * 1.0
                for s in (real, beside)
            ]
            row["floor [nats]"] = (
                f"{row['floor [nats]']}; {divergence(*counts):.3f} against {LIDARS[other][1]}"
            )
        yield row


def _window(sweeps: list[Floats]) -> tuple[float, float]:
    """Range of azimuths that a set looks into [rad]."""
    azimuth = np.concatenate([np.arctan2(p[:, 1], p[:, 0]) for p in sweeps])
    low, high = np.quantile(azimuth, (0.005, 0.995))
    return (-np.pi, np.pi) if high - low > 5.5 else (float(low), float(high))


def _ranges(points: Floats, window: tuple[float, float]) -> Floats:
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    away = np.linalg.norm(points, axis=1)
    inside = (azimuth >= window[0]) & (azimuth <= window[1])
    return away[inside & (away > RANGE_BINS[0]) & (away < RANGE_BINS[-1])]


def _point_rows(ours: Ours) -> Iterator[dict[str, Any]]:
    """Lidar points per car, by distance; cars without a point count, too."""
    real = real_sets.pandaset_boxes()
    if real is None:
        yield _row("points per car", "PandaSet 002 (absent)")
        return
    for low, high in pairwise(OBJECT_BINS):
        parts = []
        for boxes in (ours.boxes, real):
            near = (boxes.distance >= low) & (boxes.distance < high)
            parts.append(np.flatnonzero((boxes.kind == "car") & near & (boxes.points >= 0)))
        values = (
            ours.boxes.points[parts[0]] * 1.0,
            real.points[parts[1]] * 1.0,
            real.moment[parts[1]] * 1.0,
        )
        title = f"points per car, {low:.0f} to {high:.0f} m"
        yield _compare(title, "PandaSet 002", values, COUNT_BINS)
