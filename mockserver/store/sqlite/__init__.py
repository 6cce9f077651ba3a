"""State in SQLite: in memory, or in a file that survives restarts and may be shared by several processes.

Start reading in `database`, which collects the writes of a turn of the event loop into one transaction; `accounts`,
`tasks`, `journal`, `blobs` and `control` hold the statements, and `store` combines them.
"""
