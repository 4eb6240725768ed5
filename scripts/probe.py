#!/usr/bin/env python3
"""Ask the running stack whether users get answers: python3 scripts/probe.py [--json] [--watch] [--no-answers]"""

from stack.bootstrap import enter

enter()

from stack.commands.probe import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
