"""For users' own tests: a running double, interception of calls to production, usage and offline reports.

May import `qwenmock.mockserver`. Start reading in `mock`.
"""
