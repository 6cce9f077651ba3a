"""Images: drawing them, reading image headers, signed links, files and uploads.

May import `store` and the modules below it. Start reading in `links`.
"""
