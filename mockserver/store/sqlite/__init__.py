"""State in SQLite: in memory or in a file, also shared by several processes of one machine.

Start reading in `store`.
"""
