"""Provider folders: made from a gateway's OpenAPI document, and checked.

`new` makes one: `reading` gets the document, `document` follows its references, `translation` writes its schemas in the
contract's vocabulary, `roles` tells what their values are, `operations` finds the endpoints, `refusals` the errors, and
`files` writes the folder. `check` explains what is wrong with a folder. May import `calls` and the rooms below it.
Start reading in `new`.
"""
