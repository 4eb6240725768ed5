#!/usr/bin/env python3
"""Ask the running containers how they are hardened: python3 scripts/audit.py [--json] [--markdown]"""

from stack.bootstrap import enter

enter()

from stack.commands.audit import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
