"""Models that ship with the package, as data only: NAME.nmt, a file each, read by
`nmt.runs.package`. `nmt models` lists them."""
