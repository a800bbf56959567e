"""Who starts and watches a daemon: systemd, or the service manager of Windows."""
