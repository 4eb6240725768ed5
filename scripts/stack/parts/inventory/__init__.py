"""What an image, or the Python that runs this, is made of: packages of Debian, of the Python index and of npm."""

from stack.parts.inventory.of_image import of_image
from stack.parts.inventory.of_stack import SCRIPTS, of_stack
from stack.parts.inventory.of_this_python import of_this_python
from stack.parts.inventory.packages import Inventory, Kind, Package

__all__ = ["SCRIPTS", "Inventory", "Kind", "Package", "of_image", "of_stack", "of_this_python"]
