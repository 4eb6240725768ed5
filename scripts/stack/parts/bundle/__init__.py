"""The stack in one file: written where there is a network, and brought up from it where there is none.

What the file looks like, and how it is checked, stands in `stack.tools.bundle_file`, which the scripts can read before
any package is there.
"""

from stack.parts.bundle.bringing import bring, refuse_other_sources
from stack.parts.bundle.images import named_for_a_bundle
from stack.parts.bundle.making import Bundled, make
from stack.parts.bundle.record import can_do_without_building, images_came_in_a_bundle

__all__ = [
    "Bundled",
    "bring",
    "can_do_without_building",
    "images_came_in_a_bundle",
    "make",
    "named_for_a_bundle",
    "refuse_other_sources",
]
