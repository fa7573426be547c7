"""The peer of the comparison: FastAPI and AsyncOpenAI, which forward each event and store nothing."""

import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

app = FastAPI()
upstream = AsyncOpenAI(api_key="none", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0)


class Question(BaseModel):
    content: str


async def answer(content: str) -> AsyncIterator[str]:
    async for event in await upstream.responses.create(model="benchmark", input=content, stream=True):
        yield f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


@app.post("/chat/stream")
async def chat(question: Question) -> StreamingResponse:
    return StreamingResponse(answer(question.content), media_type="text/event-stream")
