"""The examiner: proves by requests whether a server keeps its provider's contract, and the pytest plugin around it."""
