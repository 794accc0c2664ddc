"""The end of an upload whose files do not go at once; `test_resource` and `test_worker_files` have a real Synapse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.synapse_module.quietline_synapse.test_vacuum import refused

if TYPE_CHECKING:
    from quietline_synapse.media import LineMedia

SERVER, OURS, THEIRS = "agency.example", "@policy:agency.example", "@bea:agency.example"
UPLOAD = "abcdefghijklmnop"


class OneUpload:
    """Stands for Synapse with one upload. `coming_back`: after so many deletions a thumbnail is there again."""

    server_name = SERVER

    def __init__(self, uploader: str | None, *, coming_back: int = 0) -> None:
        self.uploader, self.coming_back, self.deletions = uploader, coming_back, 0
        self.there = True

    async def run_db_interaction(self, _name: str, _work: Callable[..., Any], *_values: object) -> str | None:
        return self.uploader

    def is_ours(self, user_id: str) -> bool:
        return user_id == OURS

    async def was_at_desk(self, _user_id: str) -> bool:
        return False

    def files(self, _media_id: str) -> list[Path]:
        return [Path("thumbnails")] if self.there else []

    async def delete(self, _media_id: str) -> None:
        self.deletions, self.uploader = self.deletions + 1, None
        self.there = self.deletions <= self.coming_back

    def media(self) -> LineMedia:
        from quietline_synapse.media import LineMedia

        one: Any = self
        return LineMedia(api=one, store=one, rooms=one, line=one)


async def test_a_thumbnail_that_is_made_meanwhile_goes_too() -> None:
    """Synapse empties the folder, a reader fills it again: it is emptied once more in the same call."""
    upload = OneUpload(OURS, coming_back=1)
    await upload.media().delete(SERVER, UPLOAD)
    assert (upload.deletions, upload.there) == (2, False)


async def test_a_file_whose_row_has_gone_is_not_called_anothers() -> None:
    """Whoever asks again hears that it is still there, and it is deleted then.

    Told that it was never ours, the bridge would forget it; told so for ever, the conversation would never end.
    """
    upload = OneUpload(OURS, coming_back=9)
    media = upload.media()
    for _ in range(2):
        with refused() as caught:
            await media.delete(SERVER, UPLOAD)
        assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_STILL_THERE")
        assert await media.exists(SERVER, UPLOAD)
    upload.coming_back = 0
    await media.delete(SERVER, UPLOAD)
    assert not await media.exists(SERVER, UPLOAD)
    done = upload.deletions
    await media.delete(SERVER, UPLOAD)
    assert upload.deletions == done


@pytest.mark.parametrize("uploader", [THEIRS, ""], ids=["another person", "nobody"])
async def test_what_others_uploaded_stays(uploader: str) -> None:
    """Whoever did, also Synapse itself for a preview."""
    upload = OneUpload(uploader)
    with refused() as caught:
        await upload.media().delete(SERVER, UPLOAD)
    assert (caught.value.code, caught.value.errcode) == (403, "QUIETLINE_NOT_OURS")
    assert (upload.deletions, upload.there) == (0, True)
