#!/usr/bin/env python3
"""Bring back what a backup holds: python3 scripts/restore.py FILE [--check] [--replace]"""

from stack.bootstrap import enter

enter()

from stack.commands.restore import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
