"""python -m fastnet is the fastnet program."""

import sys

from fastnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
