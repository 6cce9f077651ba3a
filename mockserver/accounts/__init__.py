"""Keys and prices: who calls, and what images cost.

May import `store` and the modules below it. Start reading in `keys`.
"""
