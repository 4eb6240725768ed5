#!/usr/bin/env python3
"""Upgrade the stack to the versions of this clone: python3 scripts/upgrade.py [--check]"""

from stack.bootstrap import enter

enter()

from stack.commands.upgrade import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
