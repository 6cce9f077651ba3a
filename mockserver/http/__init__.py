"""A port, processes and bytes: the ASGI application, uvicorn, workers, routing and the request log.

May import every other room of the server. Start reading in `app`.
"""
