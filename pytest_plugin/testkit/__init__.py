"""Support for tests of code that calls the APIs: a running double, interception, the offline guard, usage reports.

May import `qwenmock.mockserver` and `qwenmock.schemas`, but not the examiner. Start reading in `mock`.
"""
