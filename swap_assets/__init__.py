"""swap_assets: can a fine-tuned small model take over from the hosted LLM in my agent, and can you prove it?

Rooms: `domain` (what the experiment means), `backends` (the outside world), `defs` (Dagster shells),
`definitions` (the one list of what Dagster sees), `cli` (the `swap-assets` command), `miniatures` (the demo's weights).
Import rule, held by import-linter: `definitions, cli -> defs -> backends -> domain`; nothing looks up.
"""
