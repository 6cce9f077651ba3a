"""`make fuzz`: wrong input for everything that reads input of others, until the time is over.

Start reading at `run`. Each target is a module: `http_bytes`, `bodies`, `images`, `recordings` (with HAR) and
`catalogs`. A target makes one input from a random number generator, and asserts what is promised for any input.
"""
