#!/usr/bin/env python3
"""The first passwords, and a new one for a forgotten one: python3 scripts/passwords.py [show|reset SERVICE]"""

from stack.bootstrap import enter

enter()

from stack.commands.passwords import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
