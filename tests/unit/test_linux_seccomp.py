"""The filter of system calls, run here as the kernel would."""

from __future__ import annotations

import errno

import pytest

from sbxcompose.linux.seccomp import program
from sbxcompose.linux.syscalls import CLONE_NEWNS, CLONE_NEWUSER

X86_64, AARCH64, I386 = 0xC000_003E, 0xC000_00B7, 0x4000_0003
ALLOWED = "allowed"
MACHINES = [("x86_64", X86_64), ("aarch64", AARCH64)]


def decide(machine: str, architecture: int, number: int, *arguments: int) -> str:
    """Interpret the filter for one call; what comes of it."""
    words = {0: number, 4: architecture, **{16 + 8 * place: value for place, value in enumerate(arguments)}}
    lines, place, value = program(machine), 0, 0
    while True:
        operation, if_true, if_false, operand = lines[place]
        place += 1
        match operation:
            case 0x20:
                value = words.get(operand, 0) & 0xFFFF_FFFF
            case 0x06:
                return ALLOWED if operand == 0x7FFF_0000 else errno.errorcode[operand & 0xFFFF]
            case _:
                true = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[operation]
                place += if_true if true else if_false


@pytest.mark.parametrize("machine, architecture", MACHINES)
def test_what_needs_no_rights_and_leads_out_is_refused(machine: str, architecture: int) -> None:
    clone, unshare, socket, ioctl = (56, 272, 41, 16) if machine == "x86_64" else (220, 97, 198, 29)
    never = (248, 249, 250, 321, 298, 323, 304) if machine == "x86_64" else (217, 218, 219, 280, 241, 282, 265)
    for number in (*never, 425, 426, 427):
        assert decide(machine, architecture, number) == "EPERM"
    for call in (clone, unshare):
        assert decide(machine, architecture, call, CLONE_NEWUSER | 17) == "EPERM"
        assert decide(machine, architecture, call, CLONE_NEWNS | 17) == ALLOWED
    for family, outcome in ((38, "EPERM"), (40, "EPERM"), (39, ALLOWED), (1, ALLOWED), (2, ALLOWED), (16, ALLOWED)):
        assert decide(machine, architecture, socket, family) == outcome
    for request, outcome in ((0x5412, "EPERM"), (0x541C, "EPERM"), (0x5413, ALLOWED), (0x1_0000_5412, "EPERM")):
        assert decide(machine, architecture, ioctl, 0, request) == outcome


@pytest.mark.parametrize("machine, architecture", MACHINES)
def test_clone3_is_missing_so_that_clone_is_taken(machine: str, architecture: int) -> None:
    assert decide(machine, architecture, 435) == "ENOSYS"


@pytest.mark.parametrize("machine, architecture", MACHINES)
def test_what_programs_need_is_allowed(machine: str, architecture: int) -> None:
    refused = {number for number in range(600) if decide(machine, architecture, number) != ALLOWED}
    assert len(refused) == 12  # seven by name, io_uring's three, clone3


@pytest.mark.parametrize("machine, architecture", MACHINES)
def test_calls_of_another_architecture_are_missing(machine: str, architecture: int) -> None:
    other = AARCH64 if architecture == X86_64 else X86_64
    for foreign in (I386, other):
        assert decide(machine, foreign, 1) == "ENOSYS"
    assert decide(machine, architecture, 0x4000_0000 | 1) == "ENOSYS"
