"""The control API under `/__mock__/`: looking at the double, and moving it."""
