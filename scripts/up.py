#!/usr/bin/env python3
"""Bring the stack up: python3 scripts/up.py [--yes] [--open] [--dev] [--bundle FILE]"""

from stack.bootstrap import enter

enter()

from stack.commands.up import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
