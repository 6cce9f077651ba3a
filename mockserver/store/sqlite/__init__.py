"""State in SQLite: in memory, or in a file that survives restarts and may be shared by several processes.

Start reading in `database`, which collects the writes of a turn of the event loop into one transaction; `accounts`,
`tasks`, `journal`, `blobs`, `control` and `ledger` hold the statements on the tables of `schema`, `quick` is what the
compiled path asks and books, `checkpoints` keeps the write-ahead log short, and `store` combines them.
"""
