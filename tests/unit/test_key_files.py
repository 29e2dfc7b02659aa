"""Files of keys: what they may say, and that no complaint about them shows a secret."""

import base64
from pathlib import Path

import pytest

from service.domain.customer_keys import protect
from service.domain.events import ContactStarted
from service.errors import UsageError
from service.key_files import read_customer_keys, read_secrets
from service.privacy import customer_keys, sealer
from service.settings import ProcessSettings

A, B = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
JANUARY_MS = 1_798_761_600_000


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.yaml"
    path.write_text(text)
    return path


def ref_at(path: Path, at_ms: int) -> str:
    event = ContactStarted(event_id="e", occurred_at_ms=at_ms, contact_id="c", customer_ref="030901820")
    protect(event, read_customer_keys(path), instead=None)
    return str(event.customer_ref)


def test_lines_of_name_and_key_are_enough(tmp_path: Path) -> None:
    assert ref_at(written(tmp_path, f"k1: {A}\n"), JANUARY_MS).startswith("h:k1:")


def test_a_later_key_says_from_when_on_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path, f"k1: {A}\nk2: {{key: {B}, valid_from: '2027-01-01'}}\n")
    assert ref_at(path, JANUARY_MS - 1).startswith("h:k1:")
    assert ref_at(path, JANUARY_MS).startswith("h:k2:")
    assert ref_at(path, JANUARY_MS - 1) == ref_at(written(tmp_path, f"k1: {A}\n"), JANUARY_MS - 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"k1: {A}\nk2: {B}\n", "line 2: key k2 needs `valid_from`"),
        (f"k1: {{key: {A}, valid_from: 2027-01-01}}\nk2: {{key: {B}, valid_from: 2026-01-01}}", "not in force later"),
        (f"k1: {{key: {A}, valid_from: soon}}\n", "key k1 valid_from 'soon' is neither a date"),
        (f"k1: {{key: {A}, since: 2027-01-01}}\n", "key k1 has more than `key` and `valid_from`"),
        ("k1: geheim!\n", "key k1 is not base64"),
        ("k1: [1]\n", "key k1 is not base64"),
        ("k1: c2hvcnQ=\n", "key k1 has 5 bytes: take at least 16"),
        (f"'k 1': {A}\n", "is no name of a key"),
        (f"k1: {A}\nk1: {B}\n", "k1 is written twice"),
        ("", "has no key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_without_the_secret(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_customer_keys(written(tmp_path, text))
    assert complaint in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (A, B, "geheim", "c2hvcnQ"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file of keys"):
        read_customer_keys(tmp_path / "none.yaml")


def test_keys_that_encrypt_have_the_length_of_aes_keys(tmp_path: Path) -> None:
    assert list(read_secrets(written(tmp_path, f"d1: {A}\nd2: {B}\n"))) == ["d1", "d2"]
    with pytest.raises(UsageError, match="key d1 has 5 bytes: AES takes 16, 24 or 32"):
        read_secrets(written(tmp_path, "d1: c2hvcnQ=\n"))


def test_settings_without_files_mean_no_keys_and_masking(tmp_path: Path) -> None:
    assert customer_keys(ProcessSettings()) is None
    assert sealer(ProcessSettings()).seal(None, b"030901820").value == b"#########"


def test_to_encrypt_without_a_key_is_refused() -> None:
    with pytest.raises(UsageError, match="--dead-letter-key-file"):
        sealer(ProcessSettings(dead_letters="encrypted"))
