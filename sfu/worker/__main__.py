"""`python -m sfu.worker FD`: how the control process starts a worker."""

import sys

from .process import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
