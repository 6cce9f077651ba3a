"""The way of one call: validation, input images, effects and faults, images or a task, the answer, the journal.

May import `tasks`, `dialects`, `images`, `services`, `accounts`, `store` and `net`, never `http` or `control`. Start
reading in `pipeline`.
"""
