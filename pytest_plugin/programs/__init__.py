"""Programs in any language against a double: their processes and environment, what they used, and scenarios.

May import `testkit`, the server and the schemas, but not the examiner. Start reading in `session`.
"""
