"""Tests of averaged weights, checkpoints and the training loop."""
