"""The forward proxy: requests for production hosts go to the double, other hosts are refused unless they are allowed.

May import `http.server`, `net` and what is below. Start reading in `proxy`: `hosts` decides, `authority` makes the
certificates, `streams` reads and writes HTTP/1.1. What it needs is the extra `qwenmock[run]`.
"""
