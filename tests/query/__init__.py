"""Promises of the query language."""
