"""`themodel`, the command line; `commands/` says which commands there are."""

from deploy.local import bytecode


def main() -> None:
    bytecode.keep()
    from deploy.local.application import run  # everything else is imported when bytecode is kept

    run()


if __name__ == "__main__":
    main()
