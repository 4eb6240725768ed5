"""What compose.yaml passes on to the monitor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """What each one means stands in `.env.example`.

    Args:
        base_url: address of the model server, without ``/v1``.
        interval: seconds between two runs at least.
        project: the Compose project, for the commands that are named.
        from_sources: whether the demo's page is served from its sources (compose.dev.yaml) and not from its image.
    """

    base_url: str = "http://host.docker.internal:51211"
    model: str = "auto"
    device: str = "auto"
    interval: float = 60.0
    project: str = "foundry-stack"
    foundry_port: str = "51211"
    from_sources: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Knobs:
        """Read them; what is missing or empty has the default of ``.env.example``.

        Raises:
            SystemExit: INTERVAL is no number of seconds.
        """
        given = {name: value.strip() for name, value in environment.items() if value.strip()}
        try:
            interval = float(given.get("INTERVAL", cls.interval))
            if not 1 <= interval <= 86400:
                raise ValueError(interval)
        except ValueError as wrong:
            raise SystemExit("MONITOR_INTERVAL must be a number of seconds, such as 60.") from wrong
        return cls(
            base_url=given.get("BASE_URL", cls.base_url).rstrip("/").removesuffix("/v1"),
            model=given.get("MODEL", cls.model),
            device=given.get("DEVICE", cls.device).lower(),
            interval=interval,
            project=given.get("PROJECT", cls.project),
            foundry_port=given.get("FOUNDRY_PORT", cls.foundry_port),
            from_sources=given.get("FROM_SOURCES", "").lower() == "true",
        )
