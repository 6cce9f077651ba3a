"""The pages of a running double, in a browser."""
