"""`python -m openoutcry` is `outcry`."""

from openoutcry.cli import main

main()
