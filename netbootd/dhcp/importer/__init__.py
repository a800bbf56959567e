"""What other DHCP servers left behind, read so that their networks can become ours."""
