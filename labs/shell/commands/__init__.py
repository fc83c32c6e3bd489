"""One file per tool or family of tools. Each exports `COMMANDS`: name -> program."""
