"""The connection to a target: keys, requests, hosted images, and the target's own control API.

Imports `target`, `payments` and `settings` of the examiner, and no checks. Start reading in `sending`.
"""
