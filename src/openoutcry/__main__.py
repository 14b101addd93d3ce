"""`python -m openoutcry` is `outcry`; roles take a short cut past the command line's imports."""

import sys

_SHORT = 3  # python -m openoutcry run ROLE


def main() -> None:
    """Run a role directly (it starts 0.2 s sooner and 10 MB lighter), anything else as `outcry`."""
    if len(sys.argv) == _SHORT and sys.argv[1] == "run" and not sys.argv[2].startswith("-"):
        from openoutcry.commands.errors import exit_on_error  # noqa: PLC0415
        from openoutcry.commands.run import run  # noqa: PLC0415

        exit_on_error(lambda: run(sys.argv[2]), debug=False)
    else:
        from openoutcry import cli  # noqa: PLC0415

        cli.main()


if __name__ == "__main__":
    main()
