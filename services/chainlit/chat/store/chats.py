"""Chats as they are kept. A thread is a chat; its steps are the messages, and what Chainlit notes beside them.

Each call is one transaction. Whatever is changed is looked for within one thread, or one user's threads: ids come from
browsers, and who has learnt or guessed somebody else's can do nothing with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Select, and_, delete, exists, func, insert, or_, select, update

from chat.store.clock import now
from chat.store.database import for_reading, overwrite_what_was_deleted
from chat.store.tables import feedback, steps, threads, users

NAME_LETTERS = 200
OWN_COLUMNS = ("id", "threadId", "createdAt", "type", "output", "feedback")
NEVER_STORED = {"streaming"}  # true only of what is not finished
MESSAGES = ("user_message", "assistant_message")

Step = dict[str, Any]
Thread = dict[str, Any]


class Chats:
    """All users' chats."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = for_reading(engine)

    # --- users ---

    def user(self, name: str) -> dict[str, Any] | None:
        """Who has that name: ``id``, ``name`` and ``created_at``."""
        with self._reading.begin() as db:
            row = db.execute(select(users.c.id, users.c.name, users.c.created_at).where(users.c.name == name)).first()
        return dict(row._mapping) if row else None

    # --- threads ---

    def owner(self, thread_id: str) -> str | None:
        """The name of the user whose chat it is."""
        with self._reading.begin() as db:
            name: str | None = db.scalar(
                select(users.c.name).join(threads, threads.c.user_id == users.c.id).where(threads.c.id == thread_id)
            )
        return name

    def keep_thread(  # noqa: PLR0913  (what may change, each with a default)
        self,
        thread_id: str,
        *,
        user_id: str | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        only_once: Collection[str] = (),
    ) -> None:
        """Change what is given. Only a thread that comes with its user is made where it is missing: it may be deleted.

        Of the metadata only the keys that are given change; None takes one away.

        Args:
            only_once: these keys of the metadata stay as they are where they are there.
        """
        with self._engine.begin() as db:
            if user_id:
                _make_thread(db, thread_id, user_id)
            row = db.execute(select(threads.c.metadata, threads.c.user_id).where(threads.c.id == thread_id)).first()
            if row is None or user_id not in (None, row.user_id):
                return
            changes: dict[str, Any] = {}
            if name is not None:
                changes["name"] = _in_one_line(name)
            if tags is not None:
                changes["tags"] = list(tags)
            if metadata is not None:
                kept = {key: row.metadata[key] for key in only_once if key in row.metadata}
                merged = {**row.metadata, **metadata, **kept}
                changes["metadata"] = {key: value for key, value in merged.items() if value is not None}
            if changes:
                db.execute(update(threads).where(threads.c.id == thread_id).values(**changes))

    def metadata(self, thread_id: str) -> dict[str, Any]:
        """Of that thread; empty where there is none."""
        with self._reading.begin() as db:
            return db.scalar(select(threads.c.metadata).where(threads.c.id == thread_id)) or {}

    def thread(self, thread_id: str) -> Thread | None:
        """The whole chat, its steps in the order of the conversation."""
        with self._reading.begin() as db:
            row = db.execute(
                select(threads, users.c.name.label("user_name")).join(users).where(threads.c.id == thread_id)
            ).first()
            if row is None:
                return None
            found = db.execute(
                select(steps, feedback.c.id.label("feedback_id"), feedback.c.value, feedback.c.comment)
                .outerjoin(feedback, feedback.c.step_id == steps.c.id)
                .where(steps.c.thread_id == thread_id)
                .order_by(steps.c.created_at, steps.c.place)
            )
            return {**_thread(row), "steps": [_step(each) for each in found]}

    def list_threads(
        self, user_id: str, *, first: int, after: str | None = None, search: str | None = None, value: int | None = None
    ) -> tuple[list[Thread], bool]:
        """A user's chats without their steps, the last used ones first; and whether there are more.

        Args:
            after: begin behind this thread.
            search: only those that have these words in a message or in their name, in whatever case.
            value: only those with a message that was judged so: 1 good, 0 bad.
        """
        wanted = (
            select(threads, users.c.name.label("user_name"))
            .join(users)
            .where(threads.c.user_id == user_id)
            .order_by(threads.c.changed_at.desc(), threads.c.id)
            .limit(first + 1)
        )
        if search:
            wanted = _containing(wanted, search)
        if value is not None:
            judged = feedback.join(steps, feedback.c.step_id == steps.c.id)
            wanted = wanted.where(
                exists().select_from(judged).where(steps.c.thread_id == threads.c.id, feedback.c.value == value)
            )
        with self._reading.begin() as db:
            own = (threads.c.id == after, threads.c.user_id == user_id)
            last = db.execute(select(threads.c.changed_at, threads.c.id).where(*own)).first()
            if last:
                later = and_(threads.c.changed_at == last.changed_at, threads.c.id > last.id)
                wanted = wanted.where(or_(threads.c.changed_at < last.changed_at, later))
            rows = [_thread(row) for row in db.execute(wanted)]
        return rows[:first], len(rows) > first

    def delete_thread(self, thread_id: str) -> None:
        """Delete the chat and all that belongs to it."""
        with self._engine.begin() as db:
            db.execute(delete(threads).where(threads.c.id == thread_id))
        overwrite_what_was_deleted(self._engine)

    # --- steps ---

    def keep_step(self, step: Mapping[str, Any], user_id: str) -> None:
        """Store a step of that user's, or change it. Where the thread is not there, only a message of his begins it.

        Raises:
            IntegrityError: its id belongs to another thread.
        """
        thread_id, output = step["threadId"], step.get("output") or ""
        details = {key: value for key, value in step.items() if key not in OWN_COLUMNS and key not in NEVER_STORED}
        if step["type"] == "run":
            details.pop("input", None)  # the question once more, and it would stay when the question is edited
        with self._engine.begin() as db:
            if step["type"] == "user_message":
                _make_thread(db, thread_id, user_id, output)
            own = select(threads.c.id).where(threads.c.id == thread_id, threads.c.user_id == user_id)
            if db.scalar(own) is None:
                return
            same = (steps.c.id == step["id"], steps.c.thread_id == thread_id)
            changed = db.execute(update(steps).where(*same).values(type=step["type"], output=output, details=details))
            if not changed.rowcount:
                place = select(func.coalesce(func.max(steps.c.place), 0) + 1).where(steps.c.thread_id == thread_id)
                db.execute(
                    insert(steps).values(
                        id=step["id"],
                        thread_id=thread_id,
                        place=place.scalar_subquery(),
                        created_at=step.get("createdAt") or now(),
                        type=step["type"],
                        output=output,
                        details=details,
                    )
                )
            if step["type"] in MESSAGES:
                db.execute(update(threads).where(threads.c.id == thread_id).values(changed_at=now()))

    def delete_step(self, thread_id: str, step_id: str) -> None:
        """Delete a step of that thread."""
        with self._engine.begin() as db:
            db.execute(delete(steps).where(steps.c.id == step_id, steps.c.thread_id == thread_id))
        overwrite_what_was_deleted(self._engine)

    # --- feedback ---

    def judge(self, user_id: str, step_id: str, value: int, comment: str | None) -> str | None:
        """Store what the user thinks of a step of his; the judgement's id, None where there is no such step of his."""
        with self._engine.begin() as db:
            if db.scalar(_steps_of(user_id).where(steps.c.id == step_id)) is None:
                return None
            db.execute(delete(feedback).where(feedback.c.step_id == step_id))
            made = str(uuid4())
            db.execute(insert(feedback).values(id=made, step_id=step_id, value=value, comment=comment))
        return made

    def take_back(self, user_id: str, feedback_id: str) -> bool:
        """Delete a judgement of that user's; False where there is none."""
        with self._engine.begin() as db:
            gone = db.execute(
                delete(feedback).where(feedback.c.id == feedback_id, feedback.c.step_id.in_(_steps_of(user_id)))
            )
        return bool(gone.rowcount)


def _make_thread(db: Connection, thread_id: str, user_id: str, name: str | None = None) -> None:
    if db.scalar(select(threads.c.id).where(threads.c.id == thread_id)) is None:
        at = now()
        db.execute(
            insert(threads).values(
                id=thread_id,
                user_id=user_id,
                name=None if name is None else _in_one_line(name),
                created_at=at,
                changed_at=at,
                tags=[],
                metadata={},
            )
        )


def _in_one_line(name: str) -> str:
    return " ".join(name.split())[:NAME_LETTERS]


def _containing(wanted: Select[Any], search: str) -> Select[Any]:
    said = exists().where(
        steps.c.thread_id == threads.c.id, steps.c.type.in_(MESSAGES), steps.c.output.icontains(search, autoescape=True)
    )
    return wanted.where(or_(threads.c.name.icontains(search, autoescape=True), said))


def _steps_of(user_id: str) -> Select[tuple[str]]:
    return select(steps.c.id).join(threads, threads.c.id == steps.c.thread_id).where(threads.c.user_id == user_id)


def _thread(row: Any) -> Thread:
    return {
        "id": row.id,
        "createdAt": row.created_at,
        "changedAt": row.changed_at,
        "name": row.name,
        "userId": row.user_id,
        "userIdentifier": row.user_name,
        "tags": row.tags,
        "metadata": row.metadata,
        "steps": [],
        "elements": [],
    }


def _step(row: Any) -> Step:
    judged = {"forId": row.id, "id": row.feedback_id, "value": row.value, "comment": row.comment}
    return {
        **row.details,
        "id": row.id,
        "threadId": row.thread_id,
        "createdAt": row.created_at,
        "type": row.type,
        "output": row.output,
        "streaming": False,
        "feedback": judged if row.feedback_id else None,
    }
