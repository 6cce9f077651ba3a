"""`python -m qwenmock.mockserver` is the command."""

import sys

from qwenmock.mockserver.cli import main

sys.exit(main())
