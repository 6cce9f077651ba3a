"""The command line: its options, and the commands of the server, one module each.

May import every room of the server. A command imports what it needs when it runs, so that help and completion are fast.
Start reading in `serve`.
"""
