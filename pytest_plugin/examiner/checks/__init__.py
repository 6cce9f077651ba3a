"""What an examination checks, one function for each question. The contract tests call these.

May import every module of the examiner. Start reading in `requests`.
"""
