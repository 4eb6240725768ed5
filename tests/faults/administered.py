"""What an administrator can change on Open WebUI's page, changed there, and put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fakes.open_webui import Person
from stack.probes.open_webui import PROBE_ACCOUNT

OURS = "http://host.docker.internal:51211/v1"
ACCESS = "/api/v1/auths/admin/config"
DEAD = "http://127.0.0.1:9/v1"

RAISES = '''"""
title: A filter that lets nothing pass
"""
class Filter:
    def inlet(self, body: dict) -> dict:
        raise Exception("over my limit")
'''


@contextmanager
def connections(
    admin: Person, *urls: str, key: str = "", rules: dict[str, Any] | None = None, enabled: bool = True
) -> Iterator[None]:
    """These are the connections to model servers.

    Args:
        key: of the first of them.
        rules: for the first of them.
    """
    path, now = "/openai/config/update", admin.call("GET", "/openai/config")
    given = urls or (OURS,)
    form = {
        "ENABLE_OPENAI_API": enabled,
        "OPENAI_API_BASE_URLS": list(given),
        "OPENAI_API_KEYS": [key, *[""] * (len(given) - 1)],
        "OPENAI_API_CONFIGS": {str(number): {"enable": True} for number in range(len(given))},
    }
    form["OPENAI_API_CONFIGS"]["0"].update(rules or {})
    admin.call("POST", path, form)
    try:
        yield
    finally:
        admin.call("POST", path, {name: now[name] for name in form})


@contextmanager
def all_models(admin: Person, **changes: Any) -> Iterator[None]:
    """The settings for all models, such as ``DEFAULT_MODEL_PARAMS``."""
    path = "/api/v1/configs/models"
    now = admin.call("GET", path)
    admin.call("POST", path, {**now, **changes})
    try:
        yield
    finally:
        admin.call("POST", path, now)


@contextmanager
def model(admin: Person, name: str, **changes: Any) -> Iterator[None]:
    """The settings of one model, or of a new one; such as ``params``, ``meta``, ``is_active``, ``base_model_id``."""
    form = {"id": name, "base_model_id": None, "name": name, "meta": {}, "params": {}, "access_grants": None}
    admin.call("POST", "/api/v1/models/create", {**form, "is_active": True, **changes})
    try:
        yield
    finally:
        admin.call("POST", "/api/v1/models/model/delete", {"id": name})


@contextmanager
def a_filter_that_raises(admin: Person) -> Iterator[None]:
    """A function of the administrator's own stands before every model and fails."""
    form = {"id": "bad", "name": "bad", "content": RAISES, "meta": {"description": "", "manifest": {}}}
    admin.call("POST", "/api/v1/functions/create", form)
    try:
        admin.call("POST", "/api/v1/functions/id/bad/toggle")
        admin.call("POST", "/api/v1/functions/id/bad/toggle/global")
        yield
    finally:
        admin.call("DELETE", "/api/v1/functions/id/bad/delete")


@contextmanager
def sign_in_form_off(admin: Person) -> Iterator[None]:
    """The page's form for e-mail and password is switched off."""
    before = switch_sign_in_form_off(admin)
    try:
        yield
    finally:
        admin.call("POST", ACCESS, before)


def switch_sign_in_form_off(admin: Person) -> Any:
    """Do that, and leave it so.

    Returns:
        The settings as they were.
    """
    now = admin.call("GET", ACCESS)
    admin.call("POST", ACCESS, {**now, "ENABLE_LOGIN_FORM": False})
    return now


def change_probes_account(admin: Person, **changes: str) -> None:
    """Change the account that the probe asks with."""
    found = _probes_account(admin)
    form = {"role": "user", "name": found["name"], "email": found["email"], "profile_image_url": "/user.png"}
    admin.call("POST", f"/api/v1/users/{found['id']}/update", {**form, **changes})


def delete_probes_account(admin: Person) -> None:
    """Delete it."""
    admin.call("DELETE", f"/api/v1/users/{_probes_account(admin)['id']}")


def _probes_account(admin: Person) -> dict[str, Any]:
    users = admin.call("GET", "/api/v1/users/all")["users"]
    (found,) = [user for user in users if user["email"] == PROBE_ACCOUNT]
    return dict(found)
