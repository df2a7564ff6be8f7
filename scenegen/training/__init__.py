"""Training: averaged weights, safe checkpoints, and loops that stop and go on exactly."""

from scenegen.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from scenegen.training.ema import Ema
from scenegen.training.loop import Budget, Trainer

__all__ = ["Budget", "Checkpoint", "Ema", "Trainer", "load_checkpoint", "save_checkpoint"]
