"""For runs of tests: the report on what they used, the offline guard, and a receiver of callbacks.

May import `qwenmock.mockserver` and `qwenmock.schemas`, but not the examiner. Start reading in `usage`. The double that
the fixtures give is `qwenmock.mockserver.testing.mock`; `mock`, `intercept` and `entries` are its names of before.
"""
