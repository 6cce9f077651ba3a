"""The commands of the server, one module each. They import what they need when they run: help and completion are fast.

May import every room of the server. Start reading in `serve`.
"""
