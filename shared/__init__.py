"""What every service stands on: the wire, the messages, the database, the HTTP door. It knows no department."""
