"""`make soak`: mixed traffic for minutes, with faults and killed workers, and then everything must add up.

Start reading at `__main__`. `traffic` sends and notes what it was told, `disturbance` arms faults and kills a worker,
`receiver` takes callbacks, `server` measures processes, and `verdict` compares all of it with the ledger at the end.
"""
