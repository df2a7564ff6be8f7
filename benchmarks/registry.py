"""Every benchmark by name."""

from __future__ import annotations

from typing import Protocol

from benchmarks.harness import Report
from benchmarks.quality import (
    camera,
    camera_pictures,
    contact_sheets,
    events,
    fog,
    guided_yield,
    layout,
    layout_training,
    lidar_segmentation,
    query_yield,
    segmentation,
    sensor_statistics,
)
from benchmarks.quality import (
    lidar as lidar_quality,
)
from benchmarks.speed import (
    camera_frame,
    camera_gan,
    catalog,
    corpus,
    env_step,
    gbuffer,
    generate,
    layout_sampling,
    lidar,
    robustness,
    search,
)


class Benchmark(Protocol):
    """A benchmark runs at full or at smoke size and reports."""

    def __call__(self, *, smoke: bool) -> Report:
        """Measure and report."""


BENCHMARKS: dict[str, Benchmark] = {
    "quality.camera": camera.run,
    "quality.camera_pictures": camera_pictures.run,
    "quality.contact_sheets": contact_sheets.run,
    "quality.events": events.run,
    "quality.fog": fog.run,
    "quality.guided_yield": guided_yield.run,
    "quality.layout": layout.run,
    "quality.layout_training": layout_training.run,
    "quality.lidar": lidar_quality.run,
    "quality.lidar_segmentation": lidar_segmentation.run,
    "quality.query_yield": query_yield.run,
    "quality.segmentation": segmentation.run,
    "quality.sensor_statistics": sensor_statistics.run,
    "speed.camera_frame": camera_frame.run,
    "speed.camera_gan": camera_gan.run,
    "speed.catalog": catalog.run,
    "speed.corpus": corpus.run,
    "speed.env_step": env_step.run,
    "speed.gbuffer": gbuffer.run,
    "speed.generate": generate.run,
    "speed.layout_sampling": layout_sampling.run,
    "speed.lidar": lidar.run,
    "speed.robustness": robustness.run,
    "speed.search": search.run,
}
