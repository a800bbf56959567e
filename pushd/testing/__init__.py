"""Apple's push service in a test: `Simulator`, and what it is told.

For tests of pushd and of anything else that pushes. docs/apns-simulator.md tells how to use it.
"""

from pushd.testing.authority import Authority, KeyPair, new_signing_key
from pushd.testing.certificate import Environment
from pushd.testing.conduct import Conduct, CutAt
from pushd.testing.connection import ApnsConnection
from pushd.testing.device import Reach
from pushd.testing.provider_token import SigningKey
from pushd.testing.record import Push, Statistics
from pushd.testing.rule import Cut, GoAway, Reset, Rule, Silence
from pushd.testing.simulator import Simulator

__all__ = [
    "ApnsConnection",
    "Authority",
    "Conduct",
    "Cut",
    "CutAt",
    "Environment",
    "GoAway",
    "KeyPair",
    "Push",
    "Reach",
    "Reset",
    "Rule",
    "SigningKey",
    "Silence",
    "Simulator",
    "Statistics",
    "new_signing_key",
]
