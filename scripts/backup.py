#!/usr/bin/env python3
"""Keep all of the stack's data in one file: python3 scripts/backup.py [--list]"""

from stack.bootstrap import enter

enter()

from stack.commands.backup import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
