"""Network security: public addresses, an HTTP client that reaches only those, and webhook signatures.

Imports nothing of the other rooms. Start reading in `guarded_client`.
"""
