"""Draw two sheets into a folder: four roads under eight skies, and every buffer of one frame.

``python -m examples.contact_sheet docs`` writes ``skies.webp`` and ``buffers.webp``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from scenegen.arrays import Array
from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.render import CLASS_COLOR, PinholeCamera
from scenegen.scene import Conditions, Light, Scenario, Weather
from scenegen.sensors import (
    Boxes3D,
    Camera,
    DenseLabels,
    Lidar,
    Rig,
    RoadLabels,
    agent_motions,
)

QUERIES = (
    "highway and cut_in(c)",
    "urban and jaywalker(p)",
    "intersection and unprotected_left(t)",
    "rural and lead_hard_brake(l)",
)
SKIES = (
    Conditions(),
    Conditions(light=Light.DUSK, sun_elevation=0.03),
    Conditions(weather=Weather.OVERCAST, cloud_cover=1.0),
    Conditions(weather=Weather.RAIN, rain_mm_per_h=6.0, wetness=0.9, visibility=3000.0),
    Conditions(weather=Weather.FOG, visibility=150.0),
    Conditions(weather=Weather.SNOW, snow_mm_per_h=1.5, visibility=800.0),
    Conditions(light=Light.NIGHT, sun_elevation=-0.5),
    Conditions(
        light=Light.NIGHT,
        sun_elevation=-0.5,
        weather=Weather.RAIN,
        rain_mm_per_h=6.0,
        wetness=0.9,
        visibility=3000.0,
    ),
)
"""Day, dusk, overcast, rain, fog, snow, night, rain at night."""
OPTICS = PinholeCamera(width_px=480, height_px=240)
PICTURE = Rig(name="picture", sensors=(Camera(optics=OPTICS),))
EVERYTHING = Rig(
    name="everything",
    sensors=(
        Camera(optics=OPTICS),
        DenseLabels(optics=OPTICS),
        RoadLabels(optics=OPTICS),
        Lidar(),
        Boxes3D(),
    ),
)
SEED, QUALITY = 4, 82
POINT_SCALE = 0.005
REACH = 40.0
"""Half the width of the pictures of the lidar from above [m]."""


def frame(rig: Rig, scenario: Scenario, sky: Conditions) -> Mapping[str, Array]:
    """Sense the middle of a scenario under another sky."""
    staged = replace(scenario, conditions=sky)
    step = scenario.steps // 2
    world = rig.world(staged, SEED)
    return rig.frame(world, staged, step, agent_motions(staged)[step]).arrays


def depth_colors(depth: np.ndarray) -> np.ndarray:
    """Near is bright, sky black; logarithmic from 2 to 200 m."""
    level = 1 - np.log(np.clip(depth, 2, 200) / 2) / np.log(100)
    image = cv2.applyColorMap(np.uint8(255 * level), cv2.COLORMAP_INFERNO)[..., ::-1]
    return np.where(depth[..., None] > 0, image, 0).astype(np.uint8)


def flow_colors(flow: np.ndarray) -> np.ndarray:
    """Direction as hue, length as brightness up to 20 pixels."""
    u, v = flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32)
    hue = np.uint8((np.arctan2(v, u) + np.pi) / (2 * np.pi) * 179)
    value = np.uint8(255 * np.clip(np.hypot(u, v) / 20, 0, 1) ** 0.5)
    hsv = np.stack([hue, np.full_like(hue, 220), value], -1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def number_colors(number: np.ndarray) -> np.ndarray:
    """Give each instance a colour of its own; what is no agent stays dark."""
    palette = np.random.default_rng(3).integers(70, 255, (65536, 3)).astype(np.uint8)
    palette[0] = 30
    return np.asarray(palette[number])


def road_picture(arrays: Mapping[str, Array]) -> np.ndarray:
    """Free space in green over the picture, lane lines in orange where seen, else blue."""
    image = np.asarray(arrays["camera/front/rgb"]).copy()
    free = np.asarray(arrays["camera/front/free_space"]) > 0
    image[free] = (0.55 * image[free] + 0.45 * np.array([30, 170, 80])).astype(np.uint8)
    seen = np.asarray(arrays["lane_lines/front/visible"])
    for place, visible in zip(np.asarray(arrays["lane_lines/front/pixel"]), seen, strict=True):
        if np.isfinite(place).all() and (np.abs(place) < 4000).all():
            color = (255, 150, 0) if visible else (60, 90, 255)
            cv2.circle(image, (int(place[0]), int(place[1])), 1, color, -1)
    return image


def boxes_picture(arrays: Mapping[str, Array]) -> np.ndarray:
    """2D boxes, amodal in white and visible in the colour of the class."""
    image = np.asarray(arrays["camera/front/rgb"]).copy()
    kinds = np.asarray(arrays["boxes2d/front/class"])
    for name in ("amodal", "visible"):
        for box, kind in zip(np.asarray(arrays[f"boxes2d/front/{name}"]), kinds, strict=True):
            color = (
                (255, 255, 255) if name == "amodal" else tuple(int(v) for v in CLASS_COLOR[kind])
            )
            corner, opposite = (int(box[0]), int(box[1])), (int(box[2]) - 1, int(box[3]) - 1)
            cv2.rectangle(image, corner, opposite, color, 1)
    return image


def lidar_from_above(arrays: Mapping[str, Array], colors: np.ndarray) -> np.ndarray:
    """Points from above, the ego in the middle heading right."""
    height, width = OPTICS.height_px, OPTICS.width_px
    points = np.asarray(arrays["lidar/top/xyz"]).astype(np.float64) * POINT_SCALE
    column = (points[:, 0] / REACH + 1) * width / 2
    row = height / 2 - points[:, 1] / REACH * width / 2
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    image = np.full((height, width, 3), 14, np.uint8)
    image[row[inside].astype(int), column[inside].astype(int)] = colors[inside]
    return image


def buffers(arrays: Mapping[str, Array]) -> np.ndarray:
    """Tile every buffer of one frame, three to a row."""
    semantic = np.asarray(arrays["camera/front/semantic"])
    normal = np.asarray(arrays["camera/front/normal"])
    intensity = np.asarray(arrays["lidar/top/intensity"]).astype(np.float64)
    level = np.uint8(255 * np.clip(intensity / 100, 0, 1) ** 0.6)
    shades = cv2.applyColorMap(level[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    tiles = [
        np.asarray(arrays["camera/front/rgb"]),
        CLASS_COLOR[semantic],
        number_colors(np.asarray(arrays["camera/front/instance"])),
        depth_colors(np.asarray(arrays["camera/front/depth"])),
        np.uint8(127.5 + normal.astype(np.float64)),
        flow_colors(np.asarray(arrays["camera/front/flow"])),
        boxes_picture(arrays),
        road_picture(arrays),
        np.uint8(np.asarray(arrays["camera/front/free_space"]) * 255)[..., None] * np.ones(3),
        lidar_from_above(arrays, shades),
        lidar_from_above(arrays, CLASS_COLOR[np.asarray(arrays["lidar/top/semantic"])]),
        lidar_from_above(arrays, number_colors(np.asarray(arrays["lidar/top/instance"]))),
    ]
    rows = [np.hstack([t.astype(np.uint8) for t in tiles[k : k + 3]]) for k in range(0, 12, 3)]
    return np.vstack(rows)


def save(path: Path, image: np.ndarray) -> None:
    """Write an RGB picture as WebP."""
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


def main(folder: Path) -> None:
    """Write both sheets."""
    folder.mkdir(parents=True, exist_ok=True)
    scenarios = [
        Generator(Request(query=parse(query), seed=SEED)).scenario(0).scenario for query in QUERIES
    ]
    rows = []
    for sky in SKIES:
        pictures = [np.asarray(frame(PICTURE, s, sky)["camera/front/rgb"]) for s in scenarios]
        rows.append(np.hstack(pictures))
    save(folder / "skies.webp", np.vstack(rows))
    save(folder / "buffers.webp", buffers(frame(EVERYTHING, scenarios[1], SKIES[0])))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
