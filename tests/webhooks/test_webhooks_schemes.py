"""Signatures as the senders make them: of their documentation, of their own libraries, and bent in every way."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from webhook_examples import EXAMPLES, SECRET, STANDARD_SECRET, Example

from millpond.policy.webhooks.presets import PRESETS, SCHEMES, Preset
from millpond.policy.webhooks.signed_call import BadSignature, SignedCall, StaleSignature, UnusableSecret

NOW = 1_800_000_000.0
EACH = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.preset)
SIGNING = [example for example in EXAMPLES if SCHEMES[example.preset].reads_body]
"""Without those that send a token."""
WITH_TIME = [example for example in EXAMPLES if SCHEMES[example.preset].has_time]


def call_of(body: bytes, headers: dict[str, str], path: str = "/api/revalidate") -> SignedCall:
    return SignedCall("POST", (path,), {name: [value] for name, value in headers.items()}, body)


def signed(example: Example, now: float = NOW, identity: str = "msg_1") -> SignedCall:
    scheme = SCHEMES[example.preset]
    call = call_of(example.payload, example.headers)
    headers = scheme.sign(call, scheme.key(example.secret), now, identity)
    return call_of(example.payload, {**example.headers, **headers})


def verify(preset: Preset, call: SignedCall, *secrets: str, now: float = NOW) -> str | None:
    scheme = SCHEMES[preset]
    return scheme.verify(call, [scheme.key(secret) for secret in secrets], now, 300).delivery


@pytest.mark.parametrize(
    ("preset", "secret", "body", "headers", "now"),
    [
        pytest.param(
            "github",
            "It's a Secret to Everybody",
            b"Hello, World!",
            {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
            NOW,
            id="github: docs.github.com",
        ),
        pytest.param(
            "sanity",
            "test",
            b'{"_id":"resume"}',
            {"sanity-webhook-signature": "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"},
            1633519811.0,
            id="sanity: @sanity/webhook",
        ),
        pytest.param(
            "standard-webhooks",
            STANDARD_SECRET,
            b'{"test": 2432232314}',
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            1614265330.0,
            id="standard-webhooks: the specification",
        ),
        pytest.param(
            "contentful",
            "a" * 64,
            b'{"sys":{"id":"1"}}',
            {
                "x-contentful-topic": "ContentManagement.Entry.publish",
                "x-contentful-signature": "ea96866ba4dcd413cda1737f44d76118433791f50862231507e0e3e9d452bba0",
                "x-contentful-signed-headers": "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic",
                "x-contentful-timestamp": "1800000000000",
            },
            NOW,
            id="contentful: @contentful/node-apps-toolkit",
        ),
    ],
)
def test_what_a_sender_or_its_own_library_has_signed_is_verified(
    preset: Preset, secret: str, body: bytes, headers: dict[str, str], now: float
) -> None:
    verify(preset, call_of(body, headers), secret, now=now)


def test_contentful_encodes_a_query_twice_as_its_library_does() -> None:
    headers = {
        "x-contentful-signature": "0c8fc1c1e2bf1de5ad238766d2a9d5d13d53ba115d2a5d16f85bcc229881c3fd",
        "x-contentful-signed-headers": "x-contentful-signed-headers,x-contentful-timestamp",
        "x-contentful-timestamp": "1800000000000",
    }
    verify("contentful", call_of(b"{}", headers, "/api/re%20validate/ü?a=1&b=2"), "a" * 64)


def test_storyblok_signs_the_body_with_sha1() -> None:
    body = b'{"action":"published"}'
    digits = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert verify("storyblok", call_of(body, {"webhook-signature": digits}), SECRET) is None


@EACH
def test_a_call_as_it_was_signed_is_verified(example: Example) -> None:
    verify(example.preset, signed(example), example.secret)


@EACH
def test_while_a_secret_is_replaced_both_are_good(example: Example) -> None:
    other = "whsec_" + base64.b64encode(b"o" * 32).decode() if example.secret.startswith("whsec_") else "other" * 5
    verify(example.preset, signed(example), other, example.secret)
    with pytest.raises(BadSignature):
        verify(example.preset, signed(example), other)
    with pytest.raises(BadSignature):
        verify(example.preset, signed(example))


@pytest.mark.parametrize("example", SIGNING, ids=lambda example: example.preset)
def test_another_body_isnt_what_was_signed(example: Example) -> None:
    for body in (b"", example.payload + b" ", example.payload.replace(b"oak", b"pin")):
        with pytest.raises(BadSignature, match="wrong"):
            verify(example.preset, replace(signed(example), body=body), example.secret)


@EACH
def test_a_call_without_each_header_of_the_scheme_is_refused(example: Example) -> None:
    call, bare = signed(example), call_of(example.payload, example.headers)
    needed = [name for name in call.headers if name not in bare.headers and name != "idempotency-key"]
    assert needed
    for name in needed:
        headers = {each: value for each, value in call.headers.items() if each != name}
        with pytest.raises(BadSignature, match=f"no header {name}"):
            verify(example.preset, replace(call, headers=headers), example.secret)
        with pytest.raises(BadSignature, match="2 headers"):
            verify(
                example.preset, replace(call, headers={**call.headers, name: [*call.headers[name]] * 2}), example.secret
            )


@pytest.mark.parametrize("example", WITH_TIME, ids=lambda example: example.preset)
def test_a_signature_is_good_for_the_tolerance_either_way(example: Example) -> None:
    for now in (NOW - 299, NOW + 299):
        verify(example.preset, signed(example), example.secret, now=now)
    for now, word in ((NOW - 302, "ahead"), (NOW + 302, "old")):
        with pytest.raises(StaleSignature, match=rf"is 302 s {word}, over 300 s"):
            verify(example.preset, signed(example), example.secret, now=now)


@pytest.mark.parametrize("example", WITH_TIME, ids=lambda example: example.preset)
def test_the_time_is_signed(example: Example) -> None:
    call = signed(example)
    moved = {name: [value.replace("18000000", "18000009") for value in values] for name, values in call.headers.items()}
    assert moved != call.headers
    with pytest.raises(BadSignature, match="wrong"):
        verify(example.preset, replace(call, headers=moved), example.secret, now=NOW + 900)


@pytest.mark.parametrize("example", WITH_TIME, ids=lambda example: example.preset)
def test_a_delivery_is_known_again_by_what_is_signed(example: Example) -> None:
    first = verify(example.preset, signed(example), example.secret)
    assert first is not None
    assert verify(example.preset, signed(example), example.secret) == first
    assert verify(example.preset, signed(example, NOW + 1, "msg_2"), example.secret) != first


def test_who_sends_again_by_standard_webhooks_keeps_the_id() -> None:
    example = next(each for each in EXAMPLES if each.preset == "standard-webhooks")
    later = signed(example, NOW + 60)
    assert verify(example.preset, later, example.secret) == verify(example.preset, signed(example), example.secret)


def test_contentful_signs_method_path_and_the_headers_that_it_lists() -> None:
    example = next(each for each in EXAMPLES if each.preset == "contentful")
    call = signed(example)
    topic = {**call.headers, "x-contentful-topic": ["ContentManagement.Entry.unpublish"]}
    for other in (replace(call, method="PUT"), replace(call, paths=("/else",)), replace(call, headers=topic)):
        with pytest.raises(BadSignature):
            verify("contentful", other, example.secret)
    verify("contentful", replace(call, paths=("/stripped", *call.paths)), example.secret)


def test_ed25519_is_verified_with_the_public_key_of_the_sender() -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    own = "whsk_" + base64.b64encode(private.private_bytes_raw()).decode()
    scheme, call = SCHEMES["standard-webhooks"], call_of(b"{}", {})
    headers = scheme.sign(call, scheme.key(own), NOW, "msg_1")
    assert headers["webhook-signature"].startswith("v1a,")
    assert verify("standard-webhooks", call_of(b"{}", headers), public) == "msg_1"
    several = {**headers, "webhook-signature": f"v1,AAAA v2,x {headers['webhook-signature']}"}
    verify("standard-webhooks", call_of(b"{}", several), STANDARD_SECRET, public)
    for body, bad in ((b"[]", headers), (b"{}", {**headers, "webhook-signature": "v1a,AAAA"})):
        with pytest.raises(BadSignature):
            verify("standard-webhooks", call_of(body, bad), public)
    with pytest.raises(BadSignature):  # what a private key alone could do
        verify("standard-webhooks", call_of(b"{}", headers), own)


def test_a_receiver_of_hmacs_takes_no_signature_of_its_own_public_key() -> None:
    """The text of a public key is no shared secret: a scheme that mixes them up would let anybody sign."""
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    forged = hmac.digest(public, b"msg_1.1800000000.{}", "sha256")
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1800000000",
        "webhook-signature": "v1," + base64.b64encode(forged).decode(),
    }
    with pytest.raises(BadSignature):
        verify("standard-webhooks", call_of(b"{}", headers), "whpk_" + base64.b64encode(public).decode())


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_AAAA", "whsec_*", "whpk_AAAA", "whsk_ä"])
def test_what_is_no_secret_of_standard_webhooks_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(UnusableSecret) as refused:
        SCHEMES["standard-webhooks"].key(secret)
    assert secret.removeprefix("whsec_") == "" or secret not in str(refused.value)


NAMES = [
    *("authorization", "webhook-signature", "webhook-id", "webhook-timestamp", "x-hub-signature-256"),
    *("sanity-webhook-signature", "x-contentful-signature", "x-contentful-signed-headers", "x-contentful-timestamp"),
]
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60)
LIKELY = st.sampled_from(["1800000000", "t=1800000000000,v1=x", "v1,x", "sha256=x", "Bearer x", "v1a,*", "9" * 400])


@given(st.sampled_from(PRESETS), st.dictionaries(st.sampled_from(NAMES), LATIN | LIKELY), st.binary(max_size=20))
def test_whatever_is_sent_without_the_secret_is_refused(preset: Preset, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(preset, call_of(body, headers), STANDARD_SECRET)
