"""The senders whose webhooks are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from millpond.policy.webhooks.schemes import BearerToken, BodySignature, ContentfulSignature, SanitySignature
from millpond.policy.webhooks.standard_webhooks import StandardSignature

if TYPE_CHECKING:
    from millpond.policy.webhooks.signed_call import Scheme

Preset: TypeAlias = Literal[
    "sanity", "contentful", "strapi", "payload", "storyblok", "github", "standard-webhooks", "bearer"
]
"""Strapi and Payload sign nothing: their calls have a token. So has "bearer", which is any other sender."""

PRESETS: tuple[Preset, ...] = get_args(Preset)

SCHEMES: dict[Preset, Scheme] = {
    "sanity": SanitySignature(),
    "contentful": ContentfulSignature(),
    "strapi": BearerToken(),
    "payload": BearerToken(),
    "storyblok": BodySignature("webhook-signature", "sha1"),
    "github": BodySignature("x-hub-signature-256", "sha256", "sha256="),
    "standard-webhooks": StandardSignature(),
    "bearer": BearerToken(),
}
