#!/usr/bin/env python3
"""Take the stack down: python3 scripts/down.py [--volumes]"""

from stack.bootstrap import enter

enter()

from stack.commands.down import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
