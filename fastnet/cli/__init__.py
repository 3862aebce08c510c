"""The fastnet program. A verb is a module here with add_parser(subparsers) and run(args) -> exit code."""
