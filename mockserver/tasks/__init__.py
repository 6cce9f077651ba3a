"""Work that goes on after its request was answered: the states of a task, its billing and its callbacks.

May import `dialects`, `accounts`, `store` and `net`. Start reading in `lifecycle`.
"""
