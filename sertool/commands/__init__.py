"""The subcommands, one file each: options, one call into the core, the result printed."""
