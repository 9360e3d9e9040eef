"""What measured runs tell about a run: settings, expected losses, expected gains."""
