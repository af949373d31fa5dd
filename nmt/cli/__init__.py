"""The command line `nmt`: one module a group of verbs. Only this package parses arguments, prints,
or sets exit codes."""
