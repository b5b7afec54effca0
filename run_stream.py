"""The door: `python run_stream.py --source S ...` is `bodystream run --source S ...`."""

import sys

from pipeline.cli import run

if __name__ == "__main__":
    sys.exit(run())
