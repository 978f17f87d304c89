"""`python -m ugclab` is `ugclab`."""

from ugclab.entrypoints.cli import main

main()
