"""The calls of the control API. They are never journaled, delayed or charged.

`routes` has one table of all calls, from which both the routes and the OpenAPI document (`document`) are made; start
there. The other modules hold the calls by subject, and `responses` the types of what they answer. May import every room
of the server but `http`, and of `control` only `contract`, `openapi`, `printed_requests` and `session`.
"""
