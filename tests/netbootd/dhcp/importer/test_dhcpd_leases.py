"""dhcpd.leases, as ISC dhcpd writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.dhcp.importer.dhcpd_leases import read_leases
from netbootd.dhcp.importer.found import INFINITE, MAX_LINE, FoundLease, State, Unreadable
from tests.netbootd.dhcp.importer.data import by_machine, data, texts


def only(body: str) -> FoundLease:
    found = read_leases(b"lease 10.0.0.9 {\n" + body.encode() + b"\n}\n")
    assert found.remarks == ()
    (lease,) = found.leases
    return lease


MAC = "hardware ethernet 0:1:2:3:4:5;"


@pytest.mark.parametrize("file", ["dhcpd-utc.leases", "dhcpd-epoch.leases"])
def test_file_of_dhcpd(file: str) -> None:
    """All leases of a real file are found, the last entry of each address."""
    found = read_leases(data(file))

    leases = by_machine(found)
    assert found.remarks == ()
    assert leases.keys() - {0x5C} == {0, 0x51, 0x53, 0x54, 0x56, 0x57, 0x58, 0x59, 0x5B}
    assert (leases[0x51].host_name, leases[0x51].state) == ("blue", State.BOUND)
    assert str(leases[0x51].address) == "10.77.0.100"
    assert leases[0x51].client_id == bytes.fromhex("01525400770051")
    assert (leases[0x51].starts, leases[0x51].ends) == (1795337531, 1795341131)
    assert leases[0x53].ends == INFINITE
    assert (leases[0x54].state, leases[0x58].state) == (State.OVER, State.OVER)
    assert leases[0x56].client_id is None
    assert leases[0x57].client_id == b'we"i\\rd\x01\xff'
    assert (leases[0].state, str(leases[0].address)) == (State.CONFLICT, "10.77.0.107")


def test_both_ways_to_write_a_time() -> None:
    """`epoch` and UTC say the same."""
    utc = by_machine(read_leases(data("dhcpd-utc.leases")))
    epoch = by_machine(read_leases(data("dhcpd-epoch.leases")))

    for machine in utc.keys() & epoch.keys():
        assert (utc[machine].starts, utc[machine].ends) == (
            epoch[machine].starts,
            epoch[machine].ends,
        )


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("binding state active;", State.BOUND),
        ("binding state free;", State.OVER),
        ("binding state released;", State.OVER),
        ("binding state expired;", State.OVER),
        ("binding state backup;", State.OVER),
        ("binding state abandoned;", State.CONFLICT),
        ("abandoned;", State.CONFLICT),  # dhcpd 2
        ("", State.BOUND),
    ],
)
def test_states(body: str, state: State) -> None:
    """Every binding state has its meaning here."""
    assert only(f"{MAC} ends never; {body}").state is state


def test_identifier_in_octets() -> None:
    """A `uid` may be octets, too."""
    assert only(f"{MAC} ends never; uid 1:ab:0;").client_id == b"\x01\xab\x00"


def test_relay_information() -> None:
    """What a relay said is kept."""
    lease = only(f'{MAC} ends never; option agent.circuit-id "r1"; option agent.remote-id 0:1:ff;')

    assert (lease.circuit_id, lease.remote_id) == (b"r1", b"\x00\x01\xff")


def test_address_that_nobody_had() -> None:
    """A free lease without a client is no news."""
    found = read_leases(b"lease 10.0.0.9 { binding state free; ends never; }")

    assert (found.leases, found.remarks) == ((), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lease x { ends never; }", "`lease x` names no IPv4 address"),
        ("lease 10.0.0.9 { binding state active; }", "lease 10.0.0.9 is bound, but to whom"),
        (f"lease 10.0.0.9 {{ {MAC} ends 0 2026/13/01 00:00:00; }}", "month must be in 1..12"),
        (f"lease 10.0.0.9 {{ {MAC} ends soon; }}", "`lease 10.0.0.9` is left out for that"),
        (f"lease 10.0.0.9 {{ {MAC} binding state odd; }}", "is no state that we know"),
        ("lease 10.0.0.9 { hardware token-ring 0:1:2:3:4:5; }", "is no Ethernet address"),
        ("host new { dynamic; }", "`host new` is a host that was added while dhcpd ran"),
        ('failover peer "x" state { my state normal; }', "is the state of failover"),
        ("surprise;", "`surprise` is not understood"),
        (f"lease 10.0.0.9 {{ {MAC}", "the block of `lease 10.0.0.9` has no end"),
    ],
)
def test_what_stays_out_is_told(text: str, told: str) -> None:
    """What is not taken over is told with its reason."""
    found = read_leases(text.encode())

    assert found.leases == ()
    assert any(told in remark for remark in texts(found))


def test_unknown_word_in_a_lease() -> None:
    """A lease with a word that nobody knows is taken over, and the word is told."""
    found = read_leases(f"lease 10.0.0.9 {{\n{MAC} ends never;\nnew-word 1;\n}}".encode())

    assert len(found.leases) == 1
    assert [(r.line, r.text) for r in found.remarks] == [(3, "`new-word 1` is not understood")]


def test_entry_that_is_not_understood_is_the_last_word() -> None:
    """An older entry does not come back because the newest is broken: it is no longer true."""
    entry = f"lease 10.0.0.9 {{ {MAC} ends %s; }}\n"

    found = read_leases((entry % "never" + entry % "soon").encode())

    assert found.leases == ()
    assert found.remarks


def test_bounds() -> None:
    """A line longer than any of dhcpd's is a file of something else."""
    with pytest.raises(Unreadable, match="line 2 is longer than 64 KiB"):
        read_leases(b"\n" + b"x" * (MAX_LINE + 1))


def test_too_many_remarks() -> None:
    """A file that is nothing but wrong is refused as a whole."""
    with pytest.raises(Unreadable, match="more than 10000 lines are not understood"):
        read_leases(b"x;\n" * 10_001)


octets = st.binary(min_size=1, max_size=20)


@given(
    address=st.ip_addresses(v=4),
    hardware=st.binary(min_size=6, max_size=6),
    uid=octets,
    name=st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20),
    ends=st.integers(0, INFINITE - 1),
)
def test_every_lease_comes_back(
    address: object, hardware: bytes, uid: bytes, name: str, ends: int
) -> None:
    """What dhcpd would write for a lease is read as that lease."""
    quoted = "".join(f"\\{byte:03o}" for byte in uid)
    named = "".join(f"\\{byte:03o}" for byte in name.encode())
    text = (
        f"lease {address} {{\n  ends epoch {ends}; # x\n  binding state active;\n"
        f'  hardware ethernet {hardware.hex(":")};\n  uid "{quoted}";\n'
        f'  client-hostname "{named}";\n}}\n'
    )

    found = read_leases(text.encode())

    (lease,) = found.leases
    assert found.remarks == ()
    assert (lease.address, lease.hardware, lease.client_id) == (address, hardware, uid)
    assert (lease.host_name, lease.ends) == (name, ends)
