"""The server on a port: the ASGI application, routing, uvicorn, worker processes and the request log.

May import every other room of the server. Start reading in `app`.
"""
