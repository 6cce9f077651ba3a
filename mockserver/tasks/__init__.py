"""Tasks: work that continues after its request was answered, with its billing and its callbacks.

May import `dialects`, `services`, `accounts`, `net` and the modules below them. Start reading in `lifecycle`.
"""
