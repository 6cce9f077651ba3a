"""For tests in Python of code that calls the APIs: a running double with control calls, assertions and interception.

May import `http` and the rooms below it, and knows nothing of pytest: the fixtures of `qwenmock.pytest_plugin` give
what is made here. Start reading in `running`, then `mock`; `asynchronous` has the same for coroutines.
"""
