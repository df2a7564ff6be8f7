"""Benchmarks of what comes out: yield, realism, coverage."""
