"""The style sheet of a report page: light, dark where the reader's system asks for it, and print."""

from edgec.report.svg import COLOURS

_LIGHT = "--paper:#fff;--soft:#f4f5f7;--ink:#1c2530;--dim:#5f6b7a;--line:#dde1e7;--accent:#2f6fb5;--good:#2e7d43;--bad:#b3372f;"
_DARK = "--paper:#14181d;--soft:#1e242b;--ink:#e4e8ee;--dim:#95a1b0;--line:#333c47;--accent:#6aa7ea;--good:#63c07f;--bad:#ee8077;"

STYLE = f"""
:root {{ color-scheme: light dark; {_LIGHT}{"".join(f"--c{i}:{c};" for i, c in enumerate(COLOURS))} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--paper); color: var(--ink) }}
h1 {{ font-size: 1.6rem; margin: 2rem 0 .2rem }} h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem }}
h3 {{ font-size: 1rem; margin: 1.2rem 0 .2rem }}
p, .note {{ color: var(--dim); margin: .3rem 0 .8rem }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 1rem 0 }}
.tile {{ background: var(--soft); border-radius: .5rem; padding: .6rem .8rem }}
.tile b {{ display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums }}
.tile span {{ color: var(--dim); font-size: .82rem }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; margin: .4rem 0 1rem; font-size: .9rem }}
th, td {{ padding: .18rem .9rem .18rem 0; text-align: left; white-space: nowrap }}
th {{ border-bottom: 1px solid var(--line); color: var(--dim); font-weight: 600 }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums }} td.long {{ white-space: normal; color: var(--dim) }}
.bar {{ display: inline-block; width: 8rem; height: .7rem; background: var(--soft); border-radius: .2rem; overflow: hidden;
  vertical-align: middle; margin-right: .5rem }}
.bar i {{ display: block; height: 100% }} .of {{ color: var(--dim); font-size: .85em; font-variant-numeric: tabular-nums }}
.good {{ color: var(--good) }} .bad {{ color: var(--bad) }}
svg {{ width: 100%; height: auto; display: block }} svg.plot {{ font: 12px system-ui, sans-serif; fill: var(--dim) }}
svg .grid {{ stroke: var(--line) }} svg line.limit {{ stroke: var(--bad); stroke-dasharray: 6 4 }} svg text.limit {{ fill: var(--bad) }}
svg .disc {{ fill-opacity: .7; stroke: var(--paper) }} svg .disc:hover {{ fill-opacity: 1 }}
@media print {{ body {{ max-width: none; margin: 0 }} h2 {{ break-after: avoid }} }}
"""
