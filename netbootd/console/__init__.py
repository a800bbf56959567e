"""netbootd's console: pages about machines, boots, images, leases, traffic. Imported where it is
enabled only."""
