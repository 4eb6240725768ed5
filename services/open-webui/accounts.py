"""The accounts that the stack makes in Open WebUI's database: the administrator, and those it asks with itself."""

from __future__ import annotations

from collections.abc import Sequence

ADMIN = "admin@localhost"
PROBE = "probe@localhost"
MONITOR = "monitor@localhost"


async def make_first_admin(password: str) -> None:
    """Make the administrator where there is no user yet, and leave sign-up closed."""
    from open_webui.models.config import Config  # noqa: PLC0415  (importing Open WebUI reads the environment)
    from open_webui.utils.auth import create_admin_user  # noqa: PLC0415

    if await create_admin_user(ADMIN, password, "Admin"):
        await Config.upsert({"ui.enable_signup": False})


async def keep(email: str, name: str, password: str) -> None:
    """Make an account that the stack itself asks its questions with, or give it its password and its role back."""
    from open_webui.models.auths import Auths  # noqa: PLC0415
    from open_webui.models.users import Users  # noqa: PLC0415
    from open_webui.utils.auth import get_password_hash  # noqa: PLC0415

    user = await Users.get_user_by_email(email)
    if user is None:
        hashed = await get_password_hash(password)
        await Auths.insert_new_auth(email=email, password=hashed, name=name, role="user")
        return
    if user.role == "pending":
        await Users.update_user_role_by_id(user.id, "user")
    if not await _has_password(email, password):
        await Auths.update_user_password_by_id(user.id, await get_password_hash(password))


async def renew(email: str, old: Sequence[str], new: str) -> None:
    """Give the account a new password where it still has one of the old ones; whoever has another one keeps it."""
    if any([await _has_password(email, each) for each in old]):
        await set_password(email, new)


async def set_password(email: str, password: str) -> bool:
    """Give the account a new password, which also signs it out everywhere; False where there is no such account."""
    from open_webui.models.auths import Auths  # noqa: PLC0415
    from open_webui.models.users import Users  # noqa: PLC0415
    from open_webui.utils.auth import get_password_hash  # noqa: PLC0415

    user = await Users.get_user_by_email(email)
    return user is not None and await Auths.update_user_password_by_id(user.id, await get_password_hash(password))


async def _has_password(email: str, password: str) -> bool:
    """By the way in which people sign in, which older and newer versions of Open WebUI have alike."""
    from open_webui.models.auths import Auths  # noqa: PLC0415
    from open_webui.utils.auth import verify_password  # noqa: PLC0415

    return bool(await Auths.authenticate_user(email, lambda hashed: verify_password(password, hashed)))
