"""What an examination checks: one function for each question, in the module that its contract test is named after.

May import every module of the examiner. Start reading in `single_request`, which the others build on, then in
`boundaries`. A new check is a function here and a test in `contract_tests` that calls it.
"""
