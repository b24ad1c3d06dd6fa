"""Our own addresses: pictures of a session's scans and masks, thumbnails, the avatar.

A request names things by token and id only; no part of it ever becomes a path.
"""

from __future__ import annotations

import asyncio
import base64
import re

from fastapi import APIRouter, HTTPException, Response

from agent.chat import pictures, root, samples
from agent.chat.sessions import registry

router = APIRouter()

# One transparent pixel.
_BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_ITEM = re.compile(r"(scan-\d{1,6}|mask-\d{1,6}(-outline)?)(-slice-\d{1,6})?|mask-\d{1,6}-overlay")


@router.get("/scans/{token}/{item}.png")
async def picture(token: str, item: str) -> Response:
    """Send one layer of a session's scan."""
    session = registry.by_token(token)
    if session is None or _ITEM.fullmatch(item) is None:
        raise HTTPException(404)
    png = session.pictures.get(item)
    if png is None:
        png = await asyncio.to_thread(pictures.render, session.conversation, item)
        if png is None:
            raise HTTPException(404)
        session.pictures.put(item, png)
    # The address dies with the session; nothing of a scan may stay in a shared cache or on disk.
    return Response(png, media_type="image/png", headers={"cache-control": "no-store"})


@router.get("/samples/{key}.png")
async def thumbnail(key: str) -> Response:
    """Send the small picture of a sample that its starter shows."""
    png = await asyncio.to_thread(samples.thumbnail, key)
    if png is None:
        raise HTTPException(404)
    return Response(png, media_type="image/png", headers={"cache-control": "max-age=3600"})


@router.get("/project/file/{file_id}")
async def upload(file_id: str) -> Response:
    """Stand in for Chainlit's route, so that an upload can never be read back.

    The page asks for a preview of what was just sent; the scan's own picture replaces it a moment
    later, when the upload has been read and deleted.
    """
    return Response(_BLANK, media_type="image/png", headers={"cache-control": "no-store"})


@router.get("/avatars/{name:path}")
async def avatar(name: str) -> Response:
    """Send our mark for every author: the names of steps hold people's words, not file names."""
    svg = (root.front_end() / "public" / "avatars" / "parsechat.svg").read_bytes()
    return Response(svg, media_type="image/svg+xml", headers={"cache-control": "max-age=3600"})
