"""Who decides on the echoes of a rig's lidars: the hand-made receiver or the learned lidar."""

from __future__ import annotations

from dataclasses import replace

from scenegen.appearance.lidar_appearance import (
    LidarAppearance,
    LidarRenderer,
    default_lidar_renderer,
    shipped_lidar,
)
from scenegen.sensors.lidar import Lidar
from scenegen.sensors.lidar_models import LIDAR_MODELS
from scenegen.sensors.rig import Rig

LEARNED_MAKES = ("pandar64", "vlp32")
"""Makes whose real scans the shipped weights were trained on. On a make that they never saw they
were worse than dropping echoes at random (HDL-64, `quality.lidar`)."""


def with_lidar_renderer(rig: Rig, renderer: LidarRenderer | None = None) -> Rig:
    """Give a rig whose lidars all have the renderer asked for; without lidars, the rig itself.

    Lidars whose rays are no grid are left to the receiver by both.

    Args:
        rig: The rig.
        renderer: The renderer; by default the learned one for LEARNED_MAKES where its weights
            ship, and the hand-made one for all others.

    Raises:
        CheckpointError: The learned one is asked for and its weights do not ship.
    """
    if not any(isinstance(sensor, Lidar) for sensor in rig.sensors):
        return rig
    chosen = renderer if renderer is not None else default_lidar_renderer()
    appearance = shipped_lidar() if chosen is LidarRenderer.GAN else None
    known = [LIDAR_MODELS[name] for name in LEARNED_MAKES]

    def of(lidar: Lidar) -> LidarAppearance | None:
        return appearance if renderer is not None or lidar.model in known else None

    sensors = tuple(
        replace(sensor, appearance=of(sensor)) if isinstance(sensor, Lidar) else sensor
        for sensor in rig.sensors
    )
    return replace(rig, sensors=sensors)
