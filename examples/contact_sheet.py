"""Draw four scenarios under eight skies on one sheet; the argument names the file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from scenegen.pipeline import Generator, Request
from scenegen.query import parse
from scenegen.render import PinholeCamera
from scenegen.scene import Conditions, Light, Scenario, Weather
from scenegen.sensors import Camera, Rig, agent_motions

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
RIG = Rig(name="sheet", sensors=(Camera(optics=PinholeCamera(width_px=480, height_px=240)),))
SEED = 4


def photograph(scenario: Scenario, sky: Conditions) -> np.ndarray:
    """Take the front camera's picture in the middle of a scenario, under another sky."""
    staged = replace(scenario, conditions=sky)
    step = scenario.steps // 2
    world = RIG.world(staged, SEED)
    frame = RIG.frame(world, staged, step, agent_motions(staged)[step])
    return np.asarray(frame.arrays["camera/front/rgb"])


def main(target: Path) -> None:
    """Write the sheet: one row per sky, one column per query."""
    scenarios = [
        Generator(Request(query=parse(query), seed=SEED)).scenario(0).scenario for query in QUERIES
    ]
    rows = [np.hstack([photograph(s, sky) for s in scenarios]) for sky in SKIES]
    cv2.imwrite(str(target), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("contact_sheet.png"))
