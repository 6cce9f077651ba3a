"""What leaves the machine, and what must not: public addresses, an HTTP client for them, webhook signatures.

Imports nothing of the other rooms. Start reading in `guarded_client`.
"""
