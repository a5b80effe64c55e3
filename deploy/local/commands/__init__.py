"""One module per command of `themodel`. A new command is such a module and one line here."""

COMMANDS = {  # name: module in this folder and its function, or its Typer for commands of a command
    "up": "up:up",
    "status": "status:status",
    "token": "token:token",
    "load-events": "load_events:load_events",
    "import": "import_:import_file",
    "simulate": "simulate:simulate",
    "replay": "replay:replay",
    "dead-letters": "dead_letters:dead_letters",
    "where": "where:where",
    "backup": "backup:backup",
    "restore": "restore:restore",
    "doctor": "doctor:doctor",
    "openapi": "documents:openapi",
    "asyncapi": "documents:asyncapi",
}
