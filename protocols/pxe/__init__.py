"""PXE (Preboot Execution Environment 2.1), UEFI HTTP boot and iPXE, as far as DHCP carries them."""
