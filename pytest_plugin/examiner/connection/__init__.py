"""The connection to a target: keys, requests, retries, hosted images, and the target's own control API.

Imports `target`, `payments`, `result_log` and `settings` of the examiner, and no checks. Start reading in `sending`.
"""
