#!/usr/bin/env python3
"""The first passwords, and new secrets: python3 scripts/passwords.py [show|reset SERVICE|rotate [NAME...]]"""

from stack.bootstrap import enter

enter()

from stack.commands.passwords import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
