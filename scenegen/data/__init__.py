"""Recordings on disk: write them, read them, verify them, feed them to training."""

from scenegen.data.reader import Dataset
from scenegen.data.schema import PROFILES, Profile
from scenegen.data.verify import Damage, find_damage
from scenegen.data.writer import DatasetWriter

__all__ = ["PROFILES", "Damage", "Dataset", "DatasetWriter", "Profile", "find_damage"]
