"""`python -m openoutcry` is `outcry`; roles take a short cut past the command line's imports."""

import sys

_SHORT = 3  # python -m openoutcry run ROLE


def main() -> None:
    """Run a role directly, anything else as `outcry`.

    The short cut spares a role the command line's imports (0.3 s of processor time), and structlog
    those for coloured tracebacks (0.2 s): five roles start on two cores at once, so it counts.
    """
    if len(sys.argv) == _SHORT and sys.argv[1] == "run" and not sys.argv[2].startswith("-"):
        sys.modules["rich"] = None  # type: ignore[assignment] # "not installed", to structlog

        from openoutcry.commands.errors import exit_on_error  # noqa: PLC0415
        from openoutcry.commands.run import run  # noqa: PLC0415

        exit_on_error(lambda: run(sys.argv[2]), debug=False)
    else:
        from openoutcry import cli  # noqa: PLC0415

        cli.main()


if __name__ == "__main__":
    main()
