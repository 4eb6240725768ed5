"""The embedded default model: SmolLM2-135M-Instruct, from a Python package to what Foundry Local can load."""

from stack.parts.model.embedded import EmbeddedModel, prepare

__all__ = ["EmbeddedModel", "prepare"]
