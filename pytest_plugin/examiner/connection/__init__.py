"""The connection to a target: keys, requests, hosted images, and the target's own control API.

Imports `target`, `payments`, `settings`, `defaults`, `results`, `bodies` and `sample_images` of the examiner, and no
checks. Start reading in `sending`.
"""
