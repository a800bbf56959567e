"""What whoever runs netbootd can ask it and have it do: the routes of its admin API."""
