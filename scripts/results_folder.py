"""Print the results folder of a suite file."""

import sys

from morocco.errors import MoroccoError
from morocco.suite.config import load_suite

try:
    print(load_suite(sys.argv[1]).results)
except MoroccoError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
