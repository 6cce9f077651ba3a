"""The commands of the examiner and the recorder. The server's command line loads them by name.

May import every room of the plugin and the server. Start reading in `declarations`.
"""
