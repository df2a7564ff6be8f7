"""Judging scenes and scenarios: validity, realism, control, diversity, solvability, exposure."""
