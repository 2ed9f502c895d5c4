from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.capabilities import ATTRIBUTE, Capabilities
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "cap_net_raw=ep",
    "cap_net_raw+ep",
    "cap_net_admin,cap_net_raw=ep",
    "cap_checkpoint_restore,cap_chown=p",
    "cap_sys_admin=i",
    "cap_bpf=eip",
    "cap_net_raw=ep cap_bpf=eip",
]


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setcap"), reason="needs setcap(8) and root"
)
@pytest.mark.parametrize("text", TEXTS)
def test_the_attribute_is_the_one_that_setcap_writes(text: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch()
    subprocess.run(["setcap", text, program], check=True)
    written = os.getxattr(program, ATTRIBUTE)
    parsed = Capabilities.parse(text)
    assert parsed.encode() == written
    assert Capabilities.decode(written) == parsed
    said = subprocess.run(["getcap", program], check=True, capture_output=True, text=True)
    assert Capabilities.parse(said.stdout.strip().partition(" ")[2]) == parsed


@given(st.integers(1, 2**41 - 1), st.integers(0, 2**41 - 1), st.booleans())
def test_what_is_written_is_read_again(permitted: int, inheritable: int, effective: bool) -> None:  # noqa: FBT001
    one = Capabilities(permitted, inheritable, effective)
    assert Capabilities.decode(one.encode()) == one
    assert Capabilities.parse(str(one)) == one


@given(st.binary(max_size=40))
def test_nothing_makes_the_decoder_stumble(attribute: bytes) -> None:
    Capabilities.decode(attribute)


def test_an_attribute_of_a_user_namespace_is_read() -> None:
    second = Capabilities.parse("cap_net_raw=ep").encode()
    third = bytes([second[0]]) + b"\0\0\x03" + second[4:] + (1000).to_bytes(4, "little")
    assert str(Capabilities.decode(third)) == "cap_net_raw=ep"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cap_net_row=ep", "did you mean cap_net_raw"),
        ("net_raw=ep", "cap_net_raw"),
        ("cap_net_raw", "gives no capability"),
        ("cap_net_raw=ep cap_bpf=p", "all capabilities are effective"),
        ("cap_net_raw=e", "all capabilities are effective"),
        ("", "gives no capability"),
    ],
)
def test_what_no_file_can_have_is_refused(text: str, says: str) -> None:
    with pytest.raises(GrammarError) as refused:
        Capabilities.parse(text)
    assert says in refused.value.render()
