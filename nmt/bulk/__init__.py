"""Translates corpora in shards, on one machine or on a Ray cluster, so that the same command
finishes what was interrupted. Public names: `shards.read_shards`, `folder.OutputFolder`,
`translating.translate_shard`, `translating.translate_shards`."""
