"""What many first chat apps get wrong, to be measured against: a client that blocks, in a handler that may not.

Run by chat_load.py with BASE_URL, MODEL and MAX_TOKENS in its environment.
"""

from __future__ import annotations

import os

import chainlit as cl
from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['BASE_URL']}/v1", api_key="not-needed")


@cl.on_message
async def answer(question: cl.Message) -> None:
    reply = cl.Message(content="")
    stream = client.chat.completions.create(
        model=os.environ["MODEL"],
        messages=[{"role": "user", "content": question.content}],
        max_tokens=int(os.environ["MAX_TOKENS"]),
        stream=True,
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            await reply.stream_token(chunk.choices[0].delta.content)
    await reply.send()
