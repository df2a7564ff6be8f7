"""Promises of the events room."""
