"""State in Redis, shared by several machines; needs the extra `qwenmock[redis]`.

Start reading in `store`; its atomic steps are the Lua scripts in `scripts`.
"""
