"""State: accounts, charges, tasks, the journal, images, and what several processes share.

May import `models`, `money` and `errors`. Start reading in `protocols`; `sqlite` and `redis` implement it.
"""
