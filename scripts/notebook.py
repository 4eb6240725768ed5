#!/usr/bin/env python3
"""Open the tutorial's notebook, answered by the running stack: python3 scripts/notebook.py [--register|--run]"""

from stack.bootstrap import enter

enter()

from stack.commands.notebook import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
