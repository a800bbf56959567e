"""What a look at configuration or surroundings brought up: one line for the operator."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """What a finding means for the start."""

    OK = "ok"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; where something is wrong `text` says what to do."""

    severity: Severity
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity.value:<8} {self.subject:<14} {self.text}"
