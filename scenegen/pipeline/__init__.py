"""From a query to verified scenarios and recordings; the only room that knows everyone."""

from scenegen.pipeline.compose import Composer, Request
from scenegen.pipeline.generate import Accepted, Generator
from scenegen.pipeline.record import generate_dataset
from scenegen.pipeline.replay import ReplayResult, replay
from scenegen.pipeline.statistics import Statistics

__all__ = [
    "Accepted",
    "Composer",
    "Generator",
    "ReplayResult",
    "Request",
    "Statistics",
    "generate_dataset",
    "replay",
]
