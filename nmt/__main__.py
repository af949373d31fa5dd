"""`python -m nmt`."""

import sys

from nmt.cli.main import main

sys.exit(main())
