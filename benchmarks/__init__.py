"""Benchmarks: what scenegen costs and how good it is, measured beside its peers."""
