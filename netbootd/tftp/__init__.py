"""TFTP for firmware: the service and its transfers."""

from netbootd.tftp.service import TftpService

__all__ = ["TftpService"]
