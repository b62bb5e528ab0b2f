"""For each sender: a payload as it sends it, a mapping as one would write it, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millpond.policy.webhooks.presets import Preset

PAYLOADS = Path(__file__).parent / "payloads"

SECRET = "0123456789abcdef" * 4
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Example:
    """One sender."""

    preset: Preset
    mapping: dict[str, Any]
    tags: list[str]
    paths: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    secret: str = SECRET

    @property
    def payload(self) -> bytes:
        """As it is sent; a file ends in a line break, a body doesn't."""
        return (PAYLOADS / f"{self.preset}.json").read_bytes().rstrip(b"\n")

    @property
    def table(self) -> dict[str, Any]:
        """`[revalidate_endpoint]`."""
        return {"preset": self.preset, "secret": self.secret, **self.mapping}


EXAMPLES = [
    Example(
        "sanity",
        {
            "map": [
                {
                    "when": {"_type": "post"},
                    "tags": ["posts", "post:{slug.current}", "category:{categories.slug.current}"],
                    "paths": ["/posts/{slug.current}"],
                },
                {"when": {"_type": "page"}, "tags": ["pages"]},
            ]
        },
        ["posts", "post:oak-chair", "category:wood", "category:chairs"],
        ["/posts/oak-chair"],
    ),
    Example(
        "contentful",
        {
            "map": [
                {
                    "when": {
                        "header:x-contentful-topic": [
                            "ContentManagement.Entry.publish",
                            "ContentManagement.Entry.unpublish",
                        ],
                        "sys.contentType.sys.id": "post",
                    },
                    "tags": ["post:{sys.id}"],
                    "paths": ["/posts/{fields.slug.en-US}", "/posts/{fields.slug.de}"],
                }
            ]
        },
        ["post:5KsDBWseXY6QegucYAoacS"],
        ["/posts/oak-chair", "/posts/eichenstuhl"],
        {"x-contentful-topic": "ContentManagement.Entry.publish", "x-contentful-webhook-name": "Millpond"},
    ),
    Example(
        "strapi",
        {"tags": ["{model}", "{model}:{entry.slug}", "tag:{entry.tags.name}"]},
        ["post", "post:oak-chair", "tag:wood", "tag:chairs"],
        headers={"x-strapi-event": "entry.publish"},
    ),
    Example(
        "payload",
        {"tags": ["{collection}"], "paths": ["/{collection}/{doc.slug}", "/{collection}/{previousDoc.slug}"]},
        ["posts"],
        ["/posts/oak-chair-2", "/posts/oak-chair"],
    ),
    Example(
        "storyblok", {"tags": ["story:{story_id}"], "paths": ["/{full_slug}"]}, ["story:314931"], ["/posts/oak-chair"]
    ),
    Example(
        "github",
        {
            "when": {"header:x-github-event": "push", "ref": "refs/heads/main"},
            "tags": ["file:{commits.modified}", "content"],
        },
        ["file:posts/oak-chair.md", "file:posts/index.md", "content"],
        headers={"x-github-event": "push", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    ),
    Example(
        "standard-webhooks",
        {"map": [{"when": {"type": ["post.updated", "post.deleted"]}, "tags": ["post:{data.slug}"]}]},
        ["post:oak-chair"],
        secret=STANDARD_SECRET,
    ),
    Example("bearer", {"tags": ["{tags}"]}, ["posts", "pages"]),
]
