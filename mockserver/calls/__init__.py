"""One call's way to its answer: validation, input images, faults, the pipeline, the journal.

May import `tasks`, `dialects`, `images`, `accounts`, `store` and `net`, never `http` or `control`. Start reading in
`pipeline`.
"""
