"""Pictures: drawing them, reading headers of uploaded ones, signed links, files and uploads.

May import `store` and the modules below it. Start reading in `links`.
"""
