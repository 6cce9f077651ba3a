"""The contract as data: one folder a provider, and `rules.toml` for what every provider shares.

It imports nothing of the other packages; the server and the examiner both work from it. Start reading at `models`, then
`catalog.load`, which reads the folders by `metaschemas`, `documents` and `shared_rules`.
"""
