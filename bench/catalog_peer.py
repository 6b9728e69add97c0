"""What a platform in Python does for document 004's cached page: FastAPI, redis-py with hiredis, uvicorn with uvloop. The same bytes from
the same Redis; a page that is not there is a 404, as nothing is measured of it."""
import os

import redis.asyncio
from fastapi import FastAPI, Response

app = FastAPI()
cache = redis.asyncio.from_url(os.environ["REDIS_URL"], max_connections=64)


@app.get("/catalog/models")
async def models(gateway: str = "", limit: int = 100, offset: int = 0):
    page = await cache.get(f"peer:{gateway}:{limit}:{offset}")
    if page is None:
        return Response(status_code=404)
    return Response(page, media_type="application/json")
