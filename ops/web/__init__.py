"""What a daemon shows of itself over HTTP: the admin API for its command line, the console for
people. It knows no daemon: each brings its own routes and pages."""
