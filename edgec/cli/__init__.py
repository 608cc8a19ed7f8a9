"""The command line: one file a verb, app.py joins them, output.py speaks.  A contract: its names are kept."""
