"""What any daemon of this project stands on: configuration, store, logs, command line."""
