#!/usr/bin/env python3
"""Who may sign in to the chat: python3 scripts/users.py list|add NAME|remove NAME"""

from stack.bootstrap import enter

enter()

from stack.commands.users import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
