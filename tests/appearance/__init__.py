"""Promises of the learned appearance of sensors."""
