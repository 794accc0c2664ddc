"""What a person said in a room: plain words, edits, replies, calls to colleagues, and what was quoted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from bot.model.events import Content, MessageSent, Relation
from tests.fakes.ingest_harness import (
    ADA,
    POLICY,
    PUPPET,
    IngestHarness,
    message,
    text_content,
)


@pytest.mark.parametrize(
    ("content", "kind", "body"),
    [
        (text_content("hi"), Content.TEXT, "hi"),
        ({"msgtype": "m.image", "body": "a.png"}, Content.FILE, "a.png"),
        ({"msgtype": "m.audio", "body": "a"}, Content.FILE, "a"),
        ({"msgtype": "m.emote", "body": "waves"}, Content.EMOTE, "waves"),
        ({"msgtype": "m.text", "body": 7}, Content.OTHER, ""),
        ({"msgtype": "m.text"}, Content.OTHER, ""),
        ({"body": "no type"}, Content.OTHER, "no type"),
        ({"msgtype": ["m.image"], "body": "x"}, Content.OTHER, "x"),
        ({}, Content.OTHER, ""),
    ],
)
async def test_only_plain_words_are_text(ingest: IngestHarness, content: dict[str, Any], kind: Content, body: str) -> None:
    """Text is what says it is text and has words; everything else is something else, however malformed it is."""
    said = await ingest.message_event(content)
    assert (said.content, said.body) == (kind, body)


@pytest.mark.parametrize(
    ("inner", "clear", "relation"),
    [
        (None, None, Relation.NONE),
        ({"m.in_reply_to": {"event_id": "$texter"}}, None, Relation.TEXTER_REPLY),
        ({"m.in_reply_to": {"event_id": "$card"}}, None, Relation.OTHER_REPLY),
        ({"m.in_reply_to": {"event_id": "$unknown"}}, None, Relation.OTHER_REPLY),
        ({"m.in_reply_to": {"event_id": 7}}, None, Relation.OTHER_REPLY),
        (None, {"m.in_reply_to": {"event_id": "$texter"}}, Relation.TEXTER_REPLY),
        ({"rel_type": "m.thread", "event_id": "$texter"}, None, Relation.THREAD),
        (None, {"rel_type": "m.thread", "event_id": "$texter"}, Relation.THREAD),
        ({"m.in_reply_to": {"event_id": "$texter"}}, {"rel_type": "m.thread", "event_id": "$x"}, Relation.THREAD),
        ({"rel_type": "m.replace", "event_id": "$old"}, None, Relation.EDIT),
        ({"rel_type": "org.unheard.of", "event_id": "$texter"}, None, Relation.OTHER_REPLY),
        ("no object", None, Relation.NONE),
    ],
)
async def test_relations(ingest: IngestHarness, inner: Any, clear: dict[str, Any] | None, relation: Relation) -> None:
    """Only a reply to the texter's own words is an answer; threads count wherever they are written; doubt is a note."""
    await ingest.record_own_event("$texter", "in:1:0")
    await ingest.record_own_event("$card", "card")
    content = text_content("hi") if inner is None else text_content("hi", **{"m.relates_to": inner})
    assert (await ingest.message_event(content, clear=clear)).relation is relation


async def test_an_edit_is_its_new_words(ingest: IngestHarness) -> None:
    """Of an edit the new content is taken, with its target; without new content, which clients do not show, it is empty."""
    relation = {"rel_type": "m.replace", "event_id": "$old"}
    said = await ingest.message_event(
        text_content("* new", **{"m.new_content": text_content("new"), "m.relates_to": relation})
    )
    assert (said.relation, said.target, said.body) == (Relation.EDIT, "$old", "new")
    ((_, bare),) = await ingest.take(message(text_content("* new", **{"m.relates_to": relation}), event_id="$2"))
    assert isinstance(bare, MessageSent)
    assert (bare.relation, bare.body, bare.content) == (Relation.EDIT, "", Content.OTHER)


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        ({}, False),
        ({"m.mentions": {}}, False),
        ({"m.mentions": {"user_ids": []}}, False),
        ({"m.mentions": {"user_ids": [ADA]}}, True),
        ({"m.mentions": {"user_ids": "all"}}, False),
        ({"m.mentions": {"room": True}}, True),
        ({"formatted_body": '<a href="https://matrix.to/#/@bea:x">bea</a>'}, True),
        ({"formatted_body": '<a href="https://matrix.to/#/%40bea:x">bea</a>'}, True),
        ({"formatted_body": '<a href="MATRIX:U/bea:x">bea</a>'}, True),
        ({"formatted_body": "<b>loud</b>"}, False),
        ({"formatted_body": '<mx-reply><a href="https://matrix.to/#/@bea:x">bea</a></mx-reply>hi'}, False),
    ],
)
async def test_who_calls_somebody_is_not_speaking_to_the_phone(
    ingest: IngestHarness, more: dict[str, Any], mentions: bool
) -> None:
    """A mention is one in every form that clients write; a quote that clients add is none."""
    assert (await ingest.message_event(text_content("hi", **more))).mentions is mentions


@pytest.mark.parametrize("whom", [PUPPET, POLICY, ADA])
@pytest.mark.parametrize(
    "relation",
    [
        {"m.in_reply_to": {"event_id": "$texter"}},
        {"m.in_reply_to": {"event_id": "$card"}},
        {"rel_type": "m.replace", "event_id": "$old"},
    ],
    ids=["answer", "reply to us", "edit"],
)
async def test_an_answer_to_us_mentions_nobody(ingest: IngestHarness, relation: dict[str, Any], whom: str) -> None:
    """Clients mention whom they reply to and whom that message mentions, and again in an edit of the reply.

    That is no call: a texter's words mention their advocate, and a colleague who has the thread now answers them. A person
    whom the words name is called, whether the name stands in the words or in a link.
    """
    await ingest.record_own_event("$texter", "in:1:0")
    await ingest.record_own_event("$card", "card")
    link = f'<a href="https://matrix.to/#/{quote(whom)}">A.</a> hi'
    for number, (words, more, called) in enumerate(
        (
            ("hi", {}, False),
            ("nada, Adam", {}, False),
            ("hi Ada", {}, whom == ADA),
            ("A. hi", {"formatted_body": link}, True),
        )
    ):
        shown = text_content(words, **{"m.mentions": {"user_ids": [whom]}}, **more)
        content = {**shown, "m.new_content": shown, "m.relates_to": relation}
        ((_, said),) = await ingest.take(message(content, event_id=f"$said{number}"))
        assert isinstance(said, MessageSent)
        assert said.mentions is called
        assert said.mentioned_users == ((ADA,) if called and whom == ADA else ())


@pytest.mark.practice(36)
@pytest.mark.parametrize(
    ("body", "remainder"),
    [
        ("> <@line-a:line.example> I am scared\n> of him\n\nI hear you.", "I hear you."),
        ("> <@ana:line.example> one\n> \n> two\n\n!redact", "!redact"),
        ("> * <@ana:line.example> waves\n\n!unsafe\nnow", "!unsafe\nnow"),
        ("> <@ana:line.example> one\n!redact", "!redact"),
        ("> <@ana:line.example> one", ""),
        ("> a quote of somebody\n\nx", "x"),
        (">:( not a quote\n\nx", ">:( not a quote\n\nx"),
    ],
)
async def test_quoted_lines_come_off_every_message(ingest: IngestHarness, body: str, remainder: str) -> None:
    """Earlier words do not go back onto a phone (practice 36), in a reply or not; a command is one behind a quote too."""
    await ingest.record_own_event("$texter", "in:1:0")
    for number, target in enumerate(("$texter", "$other")):
        reply = text_content(body, **{"m.relates_to": {"m.in_reply_to": {"event_id": target}}})
        ((_, said),) = await ingest.take(message(reply, event_id=f"$reply{number}"))
        assert isinstance(said, MessageSent)
        assert said.body == remainder
    ((_, alone),) = await ingest.take(message(text_content(body), event_id="$alone"))
    assert isinstance(alone, MessageSent)
    assert alone.body == remainder


@pytest.mark.parametrize(
    ("body", "shown", "remainder", "quotes", "differs"),
    [
        ("24. December", '<ol start="24">\n<li>December</li>\n</ol>', "24. December", False, False),
        ("3. a\n5. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>', "3. a\n4. b", False, True),
        ("> help\nyes we can", "<blockquote>\n<p>help<br />yes we can</p>\n</blockquote>", "", True, False),
    ],
)
async def test_what_is_shown_is_what_is_said(
    ingest: IngestHarness, body: str, shown: str, remainder: str, quotes: bool, differs: bool
) -> None:
    """The words are those that the client shows, and whether they are those that were typed stands beside them."""
    content = text_content(body, format="org.matrix.custom.html", formatted_body=shown)
    await ingest.record_own_event("$texter", "in:1:0")
    relations: tuple[dict[str, Any], ...] = (
        {},
        {"m.relates_to": {"m.in_reply_to": {"event_id": "$texter"}}},
        {"m.relates_to": {"rel_type": "m.replace", "event_id": "$old"}, "m.new_content": content},
    )
    for number, relation in enumerate(relations):
        ((_, said),) = await ingest.take(message({**content, **relation}, event_id=f"$said{number}"))
        assert isinstance(said, MessageSent)
        assert (said.body, said.quotes, said.differs) == (remainder, quotes, differs)


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("m.sticker", True),
        ("m.poll.start", True),
        ("org.matrix.msc3381.poll.start", True),
        ("m.message", True),
        ("m.poll.response", False),
        ("org.matrix.msc3381.poll.response", False),
        ("m.poll.end", False),
        ("org.matrix.msc3381.poll.end", False),
        ("m.key.verification.request", False),
        ("m.call.invite", False),
    ],
)
async def test_what_looks_like_a_message_is_heard_as_one(ingest: IngestHarness, kind: str, heard: bool) -> None:
    """Stickers and polls stand in the room like messages, so whoever sent one hears that it did not leave.

    A vote commands nothing, however often it comes, whoever's it is, and after the end as before.
    """
    inbox_events = await ingest.take(message({"msgtype": "m.text", "body": "x"}, kind=kind))
    assert [(event.content, event.body) for _, event in inbox_events if isinstance(event, MessageSent)] == (
        [(Content.OTHER, "x")] if heard else []
    )
