"""`python -m labs.ui`: the command line where no `netwerf` program may be installed or run."""

from labs.ui.cli import main

if __name__ == "__main__":
    main()
