"""The `swap-assets` command: one file a subject, each command a shell over domain and backends.

Heavy libraries are imported inside the commands, so that `swap-assets --help` answers at once.
"""
