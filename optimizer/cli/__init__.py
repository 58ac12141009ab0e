"""The command line: one module a command, assembled in `app`."""
