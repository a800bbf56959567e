"""Boot image bundles and the catalog made of them; knows paths, never sockets."""
