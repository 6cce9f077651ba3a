"""Journal entries in forms that other programs read: HAR, a shell script with curl, a test for pytest.

May import the store's records, and the printed pictures of `qwenmock.fixtures`. Start with `calls.py`.
"""
