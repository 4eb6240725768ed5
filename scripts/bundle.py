#!/usr/bin/env python3
"""Write the whole stack into one file, for a machine without a network: python3 scripts/bundle.py [FILE]"""

from stack.bootstrap import enter

enter()

from stack.commands.bundle import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
