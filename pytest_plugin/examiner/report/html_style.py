"""The style sheet and the filter of the HTML report."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1f2328; --quiet: #57606a; --line: #d0d7de; --box: #f6f8fa;
 --pass: #116329; --fail: #b3261e; --observed: #7a4d00; --skipped: #57606a; --b-pass: #2da44e; --b-fail: #cf222e;
 --b-observed: #bf8700; --b-skipped: #afb8c1; --link: #0550ae }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3; --quiet: #9da7b3; --line: #3d444d;
 --box: #161b22; --pass: #56d364; --fail: #ff8e86; --observed: #e3b341; --skipped: #9da7b3; --b-pass: #2ea043;
 --b-fail: #f85149; --b-observed: #d29922; --b-skipped: #484f58; --link: #79b8ff } }
* { box-sizing: border-box }
body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
 max-width: 76rem; padding: 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem } h3 { font-size: 1rem; margin: 0 }
a { color: var(--link) } p { margin: .4rem 0 } .quiet { color: var(--quiet) }
.verdict { border-left: .4rem solid; padding: .3rem .8rem; margin: .6rem 0; font-weight: 600; overflow-wrap: anywhere;
 font-size: 1.1rem }
.p { color: var(--pass) } .f { color: var(--fail) } .o { color: var(--observed) } .s { color: var(--skipped) }
code, pre { font: 12px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .6rem; margin: .3rem 0 }
svg { display: block; width: 100%; height: .8rem; border-radius: 3px; background: var(--b-skipped) }
rect.p { fill: var(--b-pass) } rect.f { fill: var(--b-fail) } rect.o { fill: var(--b-observed) }
rect.s { fill: var(--b-skipped) }
.areas { display: grid; gap: .1rem 1rem; grid-template-columns: 9rem 1fr 25rem; align-items: center; margin: .6rem 0 }
.areas span:nth-child(3n) { font-variant-numeric: tabular-nums; font-size: 13px }
.find { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .6rem; margin: 1rem 0;
 border: 1px solid var(--line); border-radius: 6px; background: var(--box) }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem .8rem } legend { float: left }
input[type=search] { font: inherit; width: 16rem; max-width: 100%; padding: .3rem; border: 1px solid var(--quiet);
 border-radius: 4px; background: var(--ground); color: var(--text) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: 0 .8rem }
summary { cursor: pointer; margin: 0 -.8rem; padding: .4rem .8rem; overflow-wrap: anywhere }
details[open] { padding-bottom: .6rem } details[open] > summary { border-bottom: 1px solid var(--line) }
summary b { display: inline-block; min-width: 8rem }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem .8rem }
dt { color: var(--quiet) } dd { margin: 0; min-width: 0; overflow-wrap: anywhere }
ol { margin: 0; padding-left: 1.5rem }
dl:not(:last-child) { margin-bottom: 1.2rem }
table { border-collapse: collapse; width: 100%; font-size: 13px }
td, th { padding: .2rem .4rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top }
td:first-child { font: 12px/1.45 ui-monospace, monospace; overflow-wrap: anywhere } tbody th { background: var(--box) }
tr:is(.p, .f, .o, .s) td:not(:last-child) { color: var(--text) } td small { display: block; color: var(--quiet) }
td:nth-child(n+2) { white-space: nowrap } ul { padding-left: 1.2rem; overflow-wrap: anywhere }
[hidden] { display: none !important }
body:has(#only-f:checked) :is(tr.p, tr.o, tr.s), body:has(#only-o:checked) :is(tr.p, tr.f, tr.s, .failures),
body:has(#only-p:checked) :is(tr.f, tr.o, tr.s, .failures), body:has(#only-s:checked) :is(tr.p, tr.f, tr.o, .failures)
{ display: none }
@media (max-width: 40rem) { .heads { padding: 0; list-style: none } .heads li { margin: .4rem 0 }
 .areas { grid-template-columns: 1fr } .areas span:nth-child(3n) { margin-bottom: .5rem }
 dl { grid-template-columns: 1fr } dt { margin-top: .4rem } summary b { min-width: 0; margin-right: .5rem }
 table { table-layout: fixed; font-size: 11px } td, th { padding: .2rem; overflow-wrap: anywhere } .wide { width: 38% }
 td:first-child { font-size: 11px } td:nth-child(n+2) { white-space: normal } }
"""
FILTER = (
    "const words = this.value.toLowerCase();"
    "const rows = [...document.querySelectorAll('main details.failure, main tr:is(.p, .f, .o, .s), main li.failure')];"
    "for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(words);"
    "for (const fold of document.querySelectorAll('details.rules')) fold.open = words !== '';"
    "document.getElementById('shown').value = words ? rows.filter(row => !row.hidden).length + ' found' : ''"
)
"""What typing into the filter does. It is an attribute: the page has no script of its own, and works without."""
