"""Tests: one promise each."""
