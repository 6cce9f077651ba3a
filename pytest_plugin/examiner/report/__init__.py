"""The report of an examination, as JSON, as one HTML page, as Markdown and as JUnit XML.

Imports `results`, `session` and `budget` of the examiner. Start reading in `run`, which collects what was found,
then in `content`, which is the report itself; a new column starts there. `files` writes all formats.
"""
