import asyncio
async def fail():
    await asyncio.sleep(0)
    raise RuntimeError("in a coroutine")
asyncio.run(fail())
