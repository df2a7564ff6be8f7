"""Promises of the renderer."""
