"""Exchanges with a live endpoint: recorded, proxied, converted to HAR, compared with the schemas.

May import the examiner. Start reading in `recorder`.
"""
