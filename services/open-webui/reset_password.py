"""Gives the account named as argument the password on standard input, while Open WebUI runs: exit code 3 if unknown."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

import accounts
import own_settings
import secret_files

UNKNOWN = 3

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as spare:  # Open WebUI empties its static folder when it is imported
        os.environ.update(
            own_settings.environment(own_settings.Knobs.of(os.environ)),
            WEBUI_SECRET_KEY=secret_files.read("secret-key"),
            STATIC_DIR=spare,
            ENABLE_DB_MIGRATIONS="false",
            GLOBAL_LOG_LEVEL="WARNING",
        )
        known = asyncio.run(accounts.set_password(sys.argv[1], sys.stdin.readline().strip()))
    sys.exit(0 if known else UNKNOWN)
