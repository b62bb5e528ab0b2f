def GET() -> dict[str, str]:
    return {"hello": "world"}
