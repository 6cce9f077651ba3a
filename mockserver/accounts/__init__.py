"""Keys and prices: who sends a request, and what its images cost.

May import `store` and the modules below it. Start reading in `keys`.
"""
