"""The commands of the examiner and the recorder, one module each. The server's command line loads them by name.

May import every room of the plugin and the server, and import them when they run: help and completion are fast. Start
reading in `check`.
"""
