#!/usr/bin/env python3
"""Run the tests on a stack of their own: python3 scripts/test.py [unit|stack|browser|faults|all]"""

from pathlib import Path

from stack.bootstrap import enter

enter(extra_lock=Path(__file__).parents[1] / "tests" / "requirements.lock")

from stack.commands.test import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
