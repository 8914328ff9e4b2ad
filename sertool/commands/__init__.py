"""The subcommands, one file each: options, one call into the core, one thing printed."""
