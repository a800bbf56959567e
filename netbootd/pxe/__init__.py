"""Network boot of PCs and virtual machines: PXE, UEFI HTTP boot, iPXE."""
