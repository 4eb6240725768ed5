#!/usr/bin/env python3
"""Start, stop and look at the stack's Foundry Local: python3 scripts/foundry.py start|load NAME|stop|status|logs"""

from stack.bootstrap import enter

enter()

from stack.commands.foundry import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
