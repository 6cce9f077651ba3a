"""Both sides of every rule: changes to a valid body after which one rule is just kept, or just broken.

Imports `bodies`, `sample_images`, `json_values` and `results` of the examiner. Start reading in `rule_edits`; each
other module has the values for one family of keywords.
"""
