"""Whether packages are known to be vulnerable, and whether there is anybody who knows."""

from stack.parts.advisories.asking import Answer, Finding, ask
from stack.parts.advisories.sources import NPM, OSV, PYPI, Npm, Osv, Pypi, Source

__all__ = ["NPM", "OSV", "PYPI", "Answer", "Finding", "Npm", "Osv", "Pypi", "Source", "ask"]
