"""Route files that freeze what they read, to be formatted with their options."""

ERROR = {"build": {"frozen": "error"}}

CLOCK = """
import time
{config}

async def GET():
    return time.time()
"""
ENV = """
import os
{config}

def GET():
    return os.environ.get("SHOP_NAME")
"""
STATIC = 'dynamic = "force-static"'
CACHED = """
import os, time
from millpond import cached, cache_tag
{config}

@cached{options}
def load():
    {call}
    return [time.time(), os.environ.get("SHOP_NAME")]

@cached
def outer():
    return load()

def GET():
    return {used}()
"""
