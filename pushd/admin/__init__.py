"""What whoever runs pushd can ask it and have it do: the routes of its admin API."""
