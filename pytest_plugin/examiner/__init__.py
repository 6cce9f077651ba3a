"""The examiner: sends requests made from the schemas, and judges the answers by the same schemas.

Imports `qwenmock.schemas` and nothing of the server. Start reading in `session`, then in `checks`.
"""
