#!/usr/bin/env python3
"""Write down what each image is made of, as CycloneDX: python3 scripts/sbom.py [--into FOLDER]"""

from stack.bootstrap import enter

enter()

from stack.commands.sbom import main  # noqa: E402  (only importable inside the virtual environment)

raise SystemExit(main())
