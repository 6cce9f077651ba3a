"""State in Redis, shared by several machines; needs the extra `qwenmock[redis]`.

Start reading in `connection`; the atomic steps are the Lua scripts in `scripts`. `accounts`, `tasks`, `journal`,
`blobs` and `control` call them, and `store` combines these.
"""
