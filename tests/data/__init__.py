"""The recording format keeps its promises."""
