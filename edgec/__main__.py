"""`python -m edgec`: the same as the command `edgec`."""

from edgec.cli.app import main

main()
