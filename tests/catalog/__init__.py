"""Recordings are found by what happens in them."""
