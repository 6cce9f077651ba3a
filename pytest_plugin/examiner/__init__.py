"""The examiner: sends requests made from the schemas, and judges the answers by the same schemas.

Imports `qwenmock.schemas`, and nothing of the server or of the rest of the plugin; `runner` loads the contract tests by
name. Start reading in `session`, which has the parts of an examination, then in `checks`. A check takes requests from
`bodies`, `boundaries` and `strategies`, sends them through `connection`, has the answers judged by `answer_judge`,
`schema_judge` and `invariants`, and counts in `result_log`. `runner` runs the checks without pytest; `report` writes
what they found.
"""
