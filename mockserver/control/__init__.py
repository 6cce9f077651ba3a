"""Everything under `/__mock__/`: the control API, the pages, and the documents that both show.

`api` has the calls; `pages` serves `static`; `guard` decides who may call. May import every room of the
server but `http`, and the printed exchanges of `qwenmock.fixtures`. Start with `api/routes.py`.
"""
