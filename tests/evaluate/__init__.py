"""Judging: metrics, cheats, planners, exposure."""
