"""Tests of the road maps: paths, drafts, recorded scenes."""
