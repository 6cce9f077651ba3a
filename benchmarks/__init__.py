"""Benchmarks, as ratios to a peer in the same run. They are not tests: nothing asserts a time."""
