"""Mutation testing: a test must notice each small change to a module that decides about money, security or truth.

`make mutants` runs it. Start reading in `__main__`.
"""
