"""`quietline carrier kit`: what registration asks for, from the packs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import yaml
from click.testing import CliRunner, Result

from bridge.config.load import load as load_config
from deploy.carrier import registration_kit
from deploy.cli import main
from policies.hours import waiting_text
from policies.pack import TextName, samples, unreviewed
from tests.deploy.carrier.sample_lines import sample
from tests.packs import shipped
from tests.policies.test_lint import ours


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main.cli, ["carrier", "kit", *map(str, arguments)])


def test_words_are_the_packs_own() -> None:
    """Each sample, and the answers to opt-in and opt-out, stand there letter for letter in every language of the line."""
    pack = shipped("base")
    written = registration_kit.render_kit(pack)
    for name in (*registration_kit.SAMPLES, TextName.STOP, TextName.GREETING):
        for language in pack.languages:
            assert f"> {pack.say(name, language, opens='8:00 AM', wait=waiting_text(10, language))}\n" in written
    assert len(registration_kit.SAMPLES) >= 2, "carriers want two at the least"


def test_what_nobody_stands_for_is_told() -> None:
    """A text without a review and an example's number are named before anything else; in a finished pack nothing is."""
    pack = shipped("base")
    written = registration_kit.render_kit(pack)
    assert all(name in written for name in (*unreviewed(pack), *samples(pack)))
    assert written.index("Do not send this yet") < written.index("## The brand")
    done = {
        name: replace(
            text,
            wordings={
                language: replace(
                    wording, text=ours(wording.text), reviewed_by="counsel", reviewed_on=date(2026, 1, 2), sample=False
                )
                for language, wording in text.wordings.items()
            },
        )
        for name, text in pack.texts.items()
    }
    finished = replace(pack, texts=MappingProxyType(done), hours=replace(pack.hours, sample=False))
    assert "Do not send this yet" not in registration_kit.render_kit(finished)


def test_the_answer_to_help_is_the_one_that_is_sent() -> None:
    """Without one the kit asks for words; with one it has the agency's own, in every language."""
    pack = shipped("base")
    assert "**Answer to HELP**: none is automatic" in registration_kit.render_kit(pack)
    own = replace(pack.texts[TextName.LATER], name="neutral")
    forced = replace(pack, settings=replace(pack.settings, help_answer="neutral"), canned={"neutral": own})
    written = registration_kit.render_kit(forced)
    assert "none is automatic" not in written
    assert all(f"> {pack.say(TextName.LATER, language)}\n" in written for language in pack.languages)


def test_from_a_configuration(tmp_path: Path) -> None:
    """With a configuration the line's numbers, its carrier and its own packs are in it, and no secret is."""
    path = sample(tmp_path, "twilio")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["lines"][0] |= {"packs": ["base", "own.yaml"], "number": "+18885550100"}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    own = {"name": "own", "texts": {"greeting": {"wordings": {"en": {"text": "Hello from us."}}}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    result = run("--config", path)
    assert result.exit_code == 0
    line = load_config(path).line
    assert f"| Numbers | {', '.join(line.all_numbers)} |" in result.output
    assert "| Carrier | twilio |" in result.output
    assert "> Hello from us.\n" in result.output
    assert "Of this line: +18885550100." in result.output
    assert "s3cret" not in result.output


def test_it_is_printed() -> None:
    """Without a line it is about the base pack."""
    assert run().output == registration_kit.render_kit(shipped("base"))
