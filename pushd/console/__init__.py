"""pushd's console: pages about throughput, outcomes, the queue, credentials, devices, and the story
of each push. Imported where it is enabled only."""
