"""Exchanges with a live endpoint: recording, forwarding proxy, conversion to HAR, comparison with the schemas.

May import the examiner, `qwenmock.schemas` and the version. The file format is in `qwenmock.schemas.recordings`.
Start reading in `recorder`.
"""
