#!/usr/bin/env python3
"""Ask whether anything in the images is known to be vulnerable: python3 scripts/vulnerabilities.py"""

from stack.bootstrap import enter

enter()

from stack.commands.vulnerabilities import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
