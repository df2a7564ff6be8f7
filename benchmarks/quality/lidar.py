"""Whether the learned lidar loses the echoes that real ones lose, and how its scans look.

L1 tells lost echoes from returned ones on held-out real scans, L2 compares drawn scans with real
ones from above. Checkpoints lie in RUNS/<family>_s<seed>/; what is not trained is named absent.
The sets under nc_eval_only are only measured on, by models that never saw them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.harness import ROOT, Report
from benchmarks.quality.real_sets import data_folder
from scenegen.appearance.lidar_appearance import (
    LidarAnswer,
    LidarAppearance,
    is_lidar_shipped,
    shipped_lidar,
)
from scenegen.appearance.lidar_fill import FilledScan, RealScan, decoys, fill
from scenegen.appearance.lidar_image import PRESETS, LidarGroup, preset_for
from scenegen.appearance.lidar_measures import (
    DropCounts,
    auc,
    bev_distance,
    bird_view,
    bootstrap,
    count_drops,
    joined,
    matched_iou,
)
from scenegen.appearance.lidar_models import LIDAR_FAMILIES, build_lidar_model
from scenegen.appearance.lidar_sets import RealSets, read_ika, read_sets, table_of
from scenegen.seeding import stream

RUNS = "SCENEGEN_LIDAR_RUNS"
"""Environment variable: where the runs of `scenegen train lidar` lie."""
SECTORS = 24
"""Sectors of a scan that intervals are drawn over."""
DRAWS = 4
"""Draws of each scan that are compared from above."""
GOAL = 0.85
"""AUC asked for."""
_SEMANTIC = table_of(
    {
        LidarGroup.VEHICLE: (1, 4, 5),
        LidarGroup.PERSON: (2, 3, 6, 7, 8),
        LidarGroup.ROAD: (9, 10, 12),
        LidarGroup.SIDEWALK: (11,),
        LidarGroup.BUILDING: (13, 14),
        LidarGroup.VEGETATION: (15, 16, 17),
        LidarGroup.POLE: (18, 19),
    }
)
"""LidarGroup of each label of SemanticKITTI."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """Scans to measure on, and the scans of the same sensor that tables may count.

    Attributes:
        name: What they are.
        fitted: Scans that the tables of beams count.
        scans: Scans to measure on.
        is_seen: Whether networks learned from scans of this sensor.
    """

    name: str
    fitted: tuple[RealScan, ...]
    scans: tuple[RealScan, ...]
    is_seen: bool


def run(*, smoke: bool) -> Report:
    """Measure every family on every trial."""
    torch.set_num_threads(1)
    trials = held_out_trials()
    if not trials:
        return _report([_row("all", "absent")], "no real scans are here to measure on", smoke)
    trials = [_small(t) for t in trials[1:2]] if smoke else trials
    rows: list[dict[str, Any]] = []
    for trial in trials:
        models = models_of(trial, smoke=smoke)
        rows += _lost_rows(trial, models)
        if trial.is_seen and len(trial.scans) > 1:
            _add_views(rows, trial, models)
    return _report(rows, _headline(rows), smoke)


def _report(rows: list[dict[str, Any]], headline: str, smoke: bool) -> Report:
    return Report(
        name="quality.lidar",
        headline=headline,
        rows=rows,
        notes=[
            "AUC: how often a lost echo scores higher than a returned one, over rays known to meet"
            f" a thing (sky left out), in brackets 95 % over {SECTORS} sectors per scan; decoys,"
            " returned echoes that are hidden and bridged like lost ones, are in the scans",
            "bridged: among rays without an echo in the scan as shown, lost against decoys, so"
            " that the looks of bridged ranges tell nothing; plain: without decoys",
            "lead: AUC less that of the table of beams on the same sectors; the table counts"
            " scans of the same sensor, also where the networks saw none (not seen)",
            "IoU: of lost echoes at the matched rate. own MAE: distance of reflectivity over 255"
            " of a drawn scan, lost ones 0, from the real one; given MAE: on rays that returned",
            "JSD and MMD from above with the constants of R2DM between drawn and real scans of the"
            " same moments; floor: those moments against training moments of the same drive",
            "PandaSet 002 is one street and its test moments follow its training moments by 0.6 s;"
            " the VLP-32's test moments follow by 0.2 s; `another drive` is one scan, whose gaps"
            " lie on diagonals as a projection makes them",
        ],
        smoke=smoke,
    )


def held_out_trials() -> list[Trial]:
    """Give all trials; none where the sets that networks learn from are not there."""
    folder = data_folder() / "lidar"
    both = ("pandaset_002", "ika_vlp32_semseg")
    return list(_trials(read_sets(folder))) if all((folder / b).exists() for b in both) else []


def _trials(sets: RealSets) -> Iterator[Trial]:
    for preset in PRESETS:
        own = tuple(scan for scan in sets.test if scan.preset == preset)
        fitted = tuple(scan for scan in sets.train if scan.preset == preset)
        yield Trial(name=f"{preset}, later", fitted=fitted, scans=own, is_seen=True)
    fitted = tuple(scan for scan in sets.train if scan.preset == "vlp32")
    yield Trial(name="vlp32, another drive", fitted=fitted, scans=sets.other, is_seen=True)
    for title, name, table in (
        ("SemanticKITTI (not seen)", "semantickitti_range", _SEMANTIC),
        ("nuScenes (not seen)", "nuscenes_range", None),
    ):
        scans = _evaluation_scans(data_folder() / "nc_eval_only" / name, table)
        if scans:
            yield Trial(name=title, fitted=scans[:-4], scans=scans[-4:], is_seen=False)


def _evaluation_scans(folder: Path, table: npt.NDArray[np.uint8] | None) -> tuple[RealScan, ...]:
    scans = []
    for path in sorted(folder.glob("*.npz")):
        scan = read_ika(path, is_round=True, groups=table)
        scans.append(_of_preset(scan, preset_for(len(scan.elevation))))
    return tuple(scans)


def _of_preset(scan: RealScan, preset: str) -> RealScan:
    return RealScan(
        name=scan.name, range=scan.range, intensity=scan.intensity, group=scan.group,
        elevation=scan.elevation, preset=preset, is_round=scan.is_round, step=scan.step,
    )  # fmt: skip


def _small(trial: Trial) -> Trial:
    return Trial(
        name=trial.name, fitted=trial.fitted[:2], scans=trial.scans[:2], is_seen=trial.is_seen
    )


def models_of(trial: Trial, *, smoke: bool) -> dict[str, LidarAppearance]:
    """Tables fitted for the trial, and the networks that are trained."""
    found: dict[str, LidarAppearance] = {}
    filled = [fill(scan) for scan in trial.fitted]
    for name, family in LIDAR_FAMILIES.items():
        if not family.is_trained:
            table = build_lidar_model(name, {})
            table.fit(filled)
            found[name] = LidarAppearance(table, share=0.0)
    if smoke:
        found["gan (untrained)"] = LidarAppearance(build_lidar_model("gan", {"widths": [8, 8, 8]}))
        return found
    runs = Path(os.environ.get(RUNS, ROOT / "runs" / "lidar_gan"))
    for path in sorted(runs.glob("*_s*/checkpoint.safetensors")):
        family_name = path.parent.name.rpartition("_s")[0]
        if family_name in LIDAR_FAMILIES and LIDAR_FAMILIES[family_name].is_trained:
            found[path.parent.name] = LidarAppearance.load(path)
    if is_lidar_shipped():
        found["shipped"] = shipped_lidar()
    return found


def _row(trial: str, model: str, **cells: Any) -> dict[str, Any]:  # noqa: ANN401
    names = (
        *("AUC", "lead", "AUC bridged", "AUC plain", "IoU", "own MAE", "given MAE"),
        *("JSD", "JSD / floor", "MMD / floor", "ms per scan"),
    )
    return {"scans": trial, "model": model, **dict.fromkeys(names, "-"), **cells}


def _lost_rows(trial: Trial, models: dict[str, LidarAppearance]) -> list[dict[str, Any]]:
    """L1: rows of one trial, the tables first."""
    counts = {name: _counted(trial, model) for name, model in models.items()}
    rows = []
    for name, parts in counts.items():
        shown, rng = parts["decoys"], stream(0, "bootstrap", trial.name)
        low, high = bootstrap(shown, None, rng)
        cells = {
            "AUC": f"{auc(shown):.3f} [{low:.3f}, {high:.3f}]",
            "AUC bridged": f"{auc(parts['bridged']):.3f}",
            "AUC plain": f"{auc(parts['plain']):.3f}",
            "IoU": f"{matched_iou(shown):.3f}",
        }
        if name != "ring":
            lead = auc(shown) - auc(counts["ring"]["decoys"])
            rng = stream(0, "bootstrap", trial.name)
            low, high = bootstrap(shown, counts["ring"]["decoys"], rng)
            cells["lead"] = f"{lead:+.3f} [{low:+.3f}, {high:+.3f}]"
        own, given, cpu = _intensity(trial, models[name])
        cells |= {
            "own MAE": f"{own:.4f}",
            "given MAE": f"{given:.4f}",
            "ms per scan": f"{1e3 * cpu:.0f}",
        }
        rows.append(_row(trial.name, name, **cells))
    return rows


def _shown(trial: Trial) -> list[FilledScan]:
    """Scans of a trial with decoys, the same for all models."""
    return [
        fill(real, decoys(real, stream(0, "decoys", number)))
        for number, real in enumerate(trial.scans)
    ]


def _counted(trial: Trial, model: LidarAppearance) -> dict[str, DropCounts]:
    """Scores of all scans of a trial, in three ways."""
    parts: dict[str, list[DropCounts]] = {"decoys": [], "bridged": [], "plain": []}
    for real, decoyed in zip(trial.scans, _shown(trial), strict=True):
        score = 1.0 - model.apply(decoyed.scan).keep
        lost = decoyed.known & ~decoyed.returned
        parts["decoys"].append(count_drops(score, lost, decoyed.known, SECTORS))
        parts["bridged"].append(count_drops(score, lost, decoyed.bridged, SECTORS))
        plain = fill(real)
        score = 1.0 - model.apply(plain.scan).keep
        lost = plain.known & ~plain.returned
        parts["plain"].append(count_drops(score, lost, plain.known, SECTORS))
    return {name: joined(counts) for name, counts in parts.items()}


def _intensity(trial: Trial, model: LidarAppearance) -> tuple[float, float, float]:
    """Distance of reflectivity by the model's own draw, and on returned rays; CPU time a scan."""
    own, given, spent = [], [], []
    for number, filled in enumerate(_shown(trial)):
        began = time.process_time()
        answer, drawn = _drawn(model, filled, number)
        spent.append(time.process_time() - began)
        bright, real = answer.reflectivity * 100 / 255, filled.intensity / 255
        known, came = filled.known, filled.returned
        own.append(np.abs(np.where(drawn, bright, 0.0) - real)[known].mean())
        given.append(np.abs(bright - real)[came].mean())
    return float(np.mean(own)), float(np.mean(given)), float(np.median(spent))


def _drawn(
    model: LidarAppearance, filled: FilledScan, number: int
) -> tuple[LidarAnswer, npt.NDArray[np.bool_]]:
    rng = stream(0, "draw", number)
    answer = model.apply(filled.scan, rng)
    return answer, model.draw(answer, rng)


def _add_views(
    rows: list[dict[str, Any]], trial: Trial, models: dict[str, LidarAppearance]
) -> None:
    """L2: add distances from above to the rows of a trial."""
    real = [_view(scan.range, scan) for scan in trial.scans]
    floor = bev_distance([_view(scan.range, scan) for scan in trial.fitted], real)
    for name, model in models.items():
        views = []
        for number, scan in enumerate(trial.scans):
            filled = fill(scan)
            for draw in range(DRAWS):
                _, kept = _drawn(model, filled, number * DRAWS + draw)
                views.append(_view(np.where(kept & filled.known, filled.scan.range, 0.0), scan))
        jsd, mmd = bev_distance(views, real)
        row = next(r for r in rows if r["scans"] == trial.name and r["model"] == name)
        row["JSD"] = f"{jsd:.4f}"
        row["JSD / floor"] = f"{jsd / max(floor[0], 1e-9):.2f}"
        row["MMD / floor"] = f"{mmd / max(floor[1], 1e-12):.2f}"


def _view(ranges: npt.NDArray[np.floating], scan: RealScan) -> Floats:
    """A scan from above."""
    columns = ranges.shape[1]
    azimuth = (np.arange(columns) - columns / 2 + 0.5) * scan.step
    cos, sin = np.cos(scan.elevation)[:, None], np.sin(scan.elevation)[:, None]
    away = np.where((ranges > 0) & np.isfinite(ranges), ranges, 0.0)
    points = np.stack([away * cos * np.cos(azimuth), away * cos * np.sin(azimuth), away * sin], -1)
    return bird_view(points[away > 0])


def _headline(rows: Sequence[dict[str, Any]]) -> str:
    """Say how the best network does on the sensors it learned from, against table and goal."""
    names = {r["model"] for r in rows} - {"ring", "uniform"}
    best = "shipped" if "shipped" in names else (min(names) if names else "ring")
    parts = [
        f"{r['scans']} {r['AUC'].split()[0]} (table {_auc_of(rows, r['scans'], 'ring')})"
        for r in rows
        if r["model"] == best and "later" in r["scans"]
    ]
    return f"{best}: AUC of lost echoes on {', '.join(parts)}; goal {GOAL}"


def _auc_of(rows: Sequence[dict[str, Any]], scans: str, model: str) -> str:
    return next(r["AUC"].split()[0] for r in rows if (r["scans"], r["model"]) == (scans, model))
