"""Promises of the sensors."""
