"""Foundry Local as the stack needs it: adopted where the user runs one, else started; stopped; looked at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stack.parts.foundry import adopt, api, daemon, own_code, record
from stack.parts.foundry.choose import AUTO, CatalogKind, Choice, choose
from stack.parts.foundry.discover import Found, at_address, find
from stack.parts.foundry.library import FoundryLibrary
from stack.parts.foundry.model import Model
from stack.parts.foundry.record import Record
from stack.parts.single_run import alone
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.progress import Progress

Say = Callable[[str], None]
LOCK = "foundry"


@dataclass(frozen=True)
class Foundry:
    """A Foundry Local that answers, with its model in memory.

    Attributes:
        url: without ``/v1``.
        owned: whether the stack started it.
        model: id of the model that answers; its alias and device beside it.
        catalog: public or embedded; None for an adopted one.
        reason: for the user, why this one and this model.
    """

    url: str
    owned: bool
    pid: int | None
    model: str
    alias: str
    device: str
    catalog: str | None
    reason: str


@dataclass(frozen=True)
class FoundryStatus:
    """What `foundry.json` and Foundry Local itself say now.

    Attributes:
        running: whether it answers.
        url: None where nothing was started or adopted.
        loaded: ids of the models in memory.
        model: id of the model that was chosen.
    """

    running: bool
    owned: bool
    url: str | None
    pid: int | None
    loaded: tuple[str, ...]
    model: str | None
    catalog: str | None
    log: Path


def ensure(settings: Settings, progress: Progress, say: Say) -> Foundry:
    """Have a Foundry Local with the model that MODEL and DEVICE mean. Quick where it is there already.

    Args:
        say: gets what the user should know: which one answers and why, and warnings.

    Raises:
        StackError: ``model-unknown``, ``catalog-unreachable``, ``disk-full``, ``model-download-failed``,
            ``model-not-loaded``, ``foundry-url-unreachable``, ``foundry-start-failed``, ``system-library-missing``,
            ``already-running`` (another process is at this very work) or what the embedded model raises.
    """
    with alone(settings, LOCK):
        running = _ours_that_fits(settings) or _adopted(settings, progress, say) or _own(settings, progress, say)
    say(f"Foundry Local at {running.url}, model {running.model} on {running.device or 'its device'}: {running.reason}.")
    return running


def load(settings: Settings, name: str, progress: Progress) -> str:
    """Load one more model into the Foundry Local that runs, beside the one that MODEL means, until it is stopped.

    Where the model has to be downloaded first, one that the stack started is started again: answers under way end.

    Args:
        name: alias, name or id.

    Returns:
        The model's id.

    Raises:
        StackError: ``foundry-not-running``, ``model-unknown``, ``catalog-unreachable``, ``disk-full``,
            ``model-download-failed``, ``model-not-loaded`` or ``already-running``.
    """
    with alone(settings, LOCK):
        present = record.read(settings.state)
        if present is None or api.loaded(present.url) is None:
            raise StackError("Foundry Local does not run.", fix="python3 scripts/up.py", cause="foundry-not-running")
        if not present.owned:
            return adopt.choose_loaded(at_address(present.url), name, settings.device, progress).model.id
        return _load_beside(settings, present, name, progress)


def _load_beside(settings: Settings, present: Record, name: str, progress: Progress) -> str:
    library = FoundryLibrary(settings, progress)
    choice = choose(name, settings.device, library)
    if choice.id in (api.loaded(present.url) or []):
        return choice.id
    if choice.catalog != present.catalog:
        raise StackError(
            f"{choice.id} can't be loaded beside {present.model}: "
            f"the embedded model and those of Foundry's catalog are served by turns only.",
            fix=f"MODEL={name} python3 scripts/up.py serves it instead.",
            cause="model-not-loaded",
        )
    library.bring(choice)
    refused = _load_there(present, choice, progress)
    if refused:  # it does not know of models that were downloaded since it started
        beside = [model_id for model_id in api.loaded(present.url) or [] if model_id != present.model]
        daemon.stop_all(settings)
        record.forget(settings.state)
        present = daemon.start(settings, _as_choice(present), progress)
        for model_id in beside:
            with suppress(api.NotLoadedError):
                api.load(present.url, Model.from_id(model_id).alias)
        refused = _load_there(present, choice, progress)
    if refused is None:
        return choice.id
    raise StackError(
        f"Foundry Local did not load {choice.id}: {refused}.",
        fix=f"MODEL={name} python3 scripts/up.py serves it instead of {present.model}.",
        cause="model-not-loaded",
    )


def _load_there(present: Record, choice: Choice, progress: Progress) -> str | None:
    """Load it; returns why that was in vain."""
    progress(f"Loading {choice.id}")
    try:
        api.load(present.url, choice.alias)
    except api.NotLoadedError as refused:
        return str(refused)
    return None if choice.id in (api.loaded(present.url) or []) else "it took another variant"


def _as_choice(present: Record) -> Choice:
    kind: CatalogKind = "embedded" if present.catalog == "embedded" else "public"
    return Choice(present.model or "", present.alias or "", present.device or "", "ran already", kind, downloaded=True)


def stop(settings: Settings) -> bool:
    """End the Foundry Local that the stack started, if it runs; one of the user's is left alone.

    Returns:
        Whether there was one to end.
    """
    with alone(settings, LOCK):
        stopped = daemon.stop_all(settings)
        present = record.read(settings.state)
        if present is None or present.owned:
            record.forget(settings.state)
        return stopped


def status(settings: Settings) -> FoundryStatus:
    """How it is now; asks, changes nothing."""
    present = record.read(settings.state)
    log = daemon.log_file(settings)
    if present is None or (present.owned and not present.lives):
        return FoundryStatus(False, False, None, None, (), None, None, log)
    in_memory = api.loaded(present.url)
    running = in_memory is not None and (present.owned or api.status(present.url) is not None)
    return FoundryStatus(
        running=running,
        owned=present.owned,
        url=present.url,
        pid=present.pid,
        loaded=tuple(in_memory or ()),
        model=present.model,
        catalog=present.catalog,
        log=log,
    )


def _ours_that_fits(settings: Settings) -> Foundry | None:
    """The daemon that runs, if it is what would be started now."""
    present = record.read(settings.state)
    if present is None or not present.lives or settings.foundry_url not in ("auto", "own"):
        return None
    if present.model is None or not _means(settings, present) or present.code != own_code.version():
        return None
    if not _in_memory(present):
        return None
    return _as_foundry(present, "runs already")


def _means(settings: Settings, present: Record) -> bool:
    model = Model(present.model or "", present.alias or "", present.device or "")
    called_so = settings.model.casefold() == AUTO or model.is_called(settings.model)
    return called_so and settings.device in (AUTO, model.device)


def _in_memory(present: Record) -> bool:
    """Whether its model is loaded; loaded again where somebody has unloaded it."""
    loaded = api.loaded(present.url)
    if loaded is None:
        return False
    if present.model not in loaded:
        try:
            api.load(present.url, present.alias or "")
        except api.NotLoadedError:
            return False
        return present.model in (api.loaded(present.url) or [])
    return True


def _adopted(settings: Settings, progress: Progress, say: Say) -> Foundry | None:
    """The user's own Foundry Local, with a model loaded; None where there is none that could serve."""
    progress("Looking for a Foundry Local of yours")
    found = _adopted_before(settings) or find(settings)
    if found is None:
        return None
    if found.warning:
        say(found.warning)
    try:
        chosen = adopt.choose_loaded(found, settings.model, settings.device, progress)
    except StackError as problem:
        if settings.foundry_url == "auto" and settings.model.casefold() == AUTO and problem.cause == "model-not-loaded":
            say(f"{problem.message} So the stack starts one of its own beside it.")
            return None
        raise
    model = chosen.model
    daemon.stop_all(settings)
    adopted = Record(found.url, False, found.pid, None, model.id, None, model.alias, model.device)
    if adopted != record.read(settings.state):
        record.write(settings.state, adopted)
    return _as_foundry(adopted, chosen.reason)


def _adopted_before(settings: Settings) -> Found | None:
    """With FOUNDRY_URL=auto: the one of last time, so that a second `up` stays with it and need not search."""
    present = record.read(settings.state)
    if settings.foundry_url != "auto" or present is None or present.owned:
        return None
    try:
        return at_address(present.url)
    except StackError:
        return None


def _own(settings: Settings, progress: Progress, say: Say) -> Foundry:
    library = FoundryLibrary(settings, progress)
    choice = choose(settings.model, settings.device, library)
    say(f"Model: {choice}.")
    library.bring(choice)
    daemon.stop_all(settings)
    record.forget(settings.state)
    return _as_foundry(daemon.start(settings, choice, progress), "started now")


def _as_foundry(present: Record, reason: str) -> Foundry:
    return Foundry(
        url=present.url,
        owned=present.owned,
        pid=present.pid,
        model=present.model or "",
        alias=present.alias or "",
        device=present.device or "",
        catalog=present.catalog,
        reason=reason,
    )
