"""What a look at configuration or surroundings brought up: one line for the operator."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Self


class Severity(enum.Enum):
    """What a finding means for the start."""

    OK = "ok"
    WARNING = "WARNING"
    ERROR = "ERROR"
    SKIPPED = "skipped"
    """It was not looked at; `text` says why, `remedy` how it can be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. Where something is wrong, `remedy` or the end of `text` says what to
    do."""

    severity: Severity
    subject: str
    text: str
    remedy: str = ""

    @classmethod
    def of(cls, severity: Severity, subject: str, line: str) -> Self:
        """From a line of ours that says what is wrong, a semicolon, and what to do."""
        text, _, remedy = line.partition("; ")
        return cls(severity, subject, text, remedy)

    @property
    def said(self) -> str:
        """Text and remedy, as one sentence."""
        return f"{self.text}; {self.remedy}" if self.remedy else self.text

    def __str__(self) -> str:
        return f"{self.severity.value:<8} {self.subject:<14} {self.said}"

    def record(self) -> dict[str, str]:
        """The same for programs: all keys always there, `severity` in lower case."""
        return {
            "severity": self.severity.value.lower(),
            "subject": self.subject,
            "text": self.text,
            "remedy": self.remedy,
        }
